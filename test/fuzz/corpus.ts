// The corpus that the fuzzer mutates: the stored streams of this directory, and the golden streams written by hand.

import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const CHECKOUT = join(import.meta.dirname, '../../..');
export const CORPUS = join(CHECKOUT, 'test/fuzz/corpus');
const GOLDEN = join(CHECKOUT, 'test/golden/native-v1');

export interface Entry {
  readonly name: string;
  readonly stream: Buffer;
}

export function readCorpus(): Entry[] {
  const stored = namesOf(CORPUS, '.bin').map((name) => ({ name, stream: readFileSync(join(CORPUS, name)) }));
  const golden = namesOf(GOLDEN, '.hex').map((name) => ({
    name,
    stream: fromHex(readFileSync(join(GOLDEN, name), 'utf8')),
  }));
  return [...stored, ...golden];
}

function namesOf(directory: string, ending: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .sort();
}

function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex');
}
