// Pages of text: log lines, prose and rows of JSON, as in page caches and heaps of servers.
// Takes a byte array and a Random; writes 4096 bytes and up to TEXT_SLACK beyond; knows nothing of other pages.

import { Random } from './random.js';

/** Bytes that a word may exceed the page's end by. The painter's scratch buffer has room for them. */
export const TEXT_SLACK = 256;

const encoder = new TextEncoder();

/** A pool of strings in one array, so that copying one needs no allocation. */
class Phrases {
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly count: number;

  constructor(phrases: readonly string[]) {
    this.#bytes = encoder.encode(phrases.join(''));
    this.#starts = new Uint32Array(phrases.length + 1);
    this.count = phrases.length;
    phrases.forEach((phrase, i) => {
      this.#starts[i + 1] = this.#starts[i]! + phrase.length;
    });
  }

  copy(index: number, target: Uint8Array, at: number): number {
    const bytes = this.#bytes;
    const end = this.#starts[index + 1]!;
    for (let i = this.#starts[index]!; i < end; i++) target[at++] = bytes[i]!;
    return at;
  }
}

/** Invented words with the letter statistics of a natural language; the same on every run. */
function inventWords(count: number): string[] {
  const random = new Random(0x776f7264);
  const onsets = [
    'b',
    'c',
    'd',
    'f',
    'g',
    'h',
    'l',
    'm',
    'n',
    'p',
    'r',
    's',
    't',
    'v',
    'w',
    'st',
    'th',
    'tr',
    'pr',
    '',
  ];
  const vowels = ['a', 'e', 'i', 'o', 'u', 'e', 'a', 'ea', 'io', 'ou'];
  const codas = ['', 'n', 'r', 's', 't', 'd', 'l', 'nd', 'ng', 'st', 'm', 'ck', '', ''];
  const words = new Set<string>([
    'the',
    'of',
    'to',
    'and',
    'a',
    'in',
    'is',
    'for',
    'it',
    'not',
    'with',
    'on',
  ]);
  while (words.size < count) {
    let word = '';
    for (let left = 1 + random.below(3); left > 0; left--) {
      word +=
        onsets[random.below(onsets.length)]! +
        vowels[random.below(vowels.length)]! +
        codas[random.below(codas.length)]!;
    }
    words.add(word);
  }
  return [...words].map((word) => `${word} `);
}

const WORDS = new Phrases(inventWords(4096));
const LOG_HEADS = new Phrases([
  ' guest kernel: [',
  ' guest systemd[1]: ',
  ' guest sshd[',
  ' guest postgres[',
  ' guest cron[',
  ' guest nginx: ',
]);
const JSON_KEYS = new Phrases([
  '{"id":',
  ',"user":"',
  '","amount":',
  ',"state":"',
  '","token":"',
  '","time":"2024-0',
  '","tags":["',
  '"]}\n',
]);
const STATES = new Phrases(['active', 'pending', 'closed', 'suspended', 'new', 'archived']);
const HEX = encoder.encode('0123456789abcdef');
const NEWLINE = 10;

function decimal(target: Uint8Array, at: number, value: number, digits: number): number {
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = 48 + (value % 10);
    value = Math.floor(value / 10);
  }
  return at + digits;
}

function hex(target: Uint8Array, at: number, random: Random, digits: number): number {
  let bits = 0;
  for (let i = 0; i < digits; i++) {
    if ((i & 7) === 0) bits = random.next();
    target[at++] = HEX[bits & 15]!;
    bits >>>= 4;
  }
  return at;
}

/** Index of a word. Small indices are far more frequent, as common words are in a language. */
function commonWord(random: Random): number {
  const u = random.next() / 0x100000000;
  return Math.floor(Math.exp(u * Math.log(WORDS.count)) - 1);
}

export function paintProse(target: Uint8Array, random: Random): void {
  let at = 0;
  while (at < 4096) {
    at = WORDS.copy(commonWord(random), target, at);
    if (random.oneIn(14)) target[at - 1] = NEWLINE;
  }
}

export function paintLog(target: Uint8Array, random: Random, index: number): void {
  let seconds = 1_700_000_000 + index * 40;
  let at = 0;
  while (at < 4096) {
    seconds += random.below(3);
    at = decimal(target, at, seconds, 10);
    at = LOG_HEADS.copy(random.below(LOG_HEADS.count), target, at);
    at = decimal(target, at, random.below(100_000), 5);
    for (let words = 3 + random.below(6); words > 0; words--) {
      at = WORDS.copy(commonWord(random), target, at);
    }
    if (random.oneIn(2)) at = hex(target, at, random, 8);
    target[at++] = NEWLINE;
  }
}

export function paintJson(target: Uint8Array, random: Random, index: number): void {
  let id = 100_000 + index * 24;
  let at = 0;
  while (at < 4096) {
    id += 1;
    at = decimal(target, JSON_KEYS.copy(0, target, at), id, 7);
    at = WORDS.copy(commonWord(random), target, JSON_KEYS.copy(1, target, at));
    at = decimal(target, JSON_KEYS.copy(2, target, at), random.below(10_000_000), 7);
    at = STATES.copy(random.below(STATES.count), target, JSON_KEYS.copy(3, target, at));
    at = hex(target, JSON_KEYS.copy(4, target, at), random, 24);
    at = decimal(target, JSON_KEYS.copy(5, target, at), random.below(9_999_999), 7);
    at = WORDS.copy(commonWord(random), target, JSON_KEYS.copy(6, target, at));
    at = WORDS.copy(commonWord(random), target, at);
    at = JSON_KEYS.copy(7, target, at);
  }
}
