// Sizes, rates and durations as people write them, to numbers and back.
// The text decides between decimal and binary, bits and bytes. The parser refuses an ambiguous unit with a hint.
// The option's name is used in messages only.

import { RamferryError } from './errors.js';

/** Bytes in a kibibyte, a mebibyte and a gibibyte. */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** An ERR_OPTION_INVALID that names the option and the value. */
export function invalidOption(option: string, value: unknown, problem: string, hint?: string): RamferryError {
  return new RamferryError(
    'ERR_OPTION_INVALID',
    `${option}: ${problem}, got ${showValue(value)}`,
    hint === undefined ? {} : { hint },
  );
}

/** The unit of an amount, for messages about its limits. */
export type Unit = 'size' | 'duration' | 'count';

const EXACT_UNITS = {
  size: [
    ['TiB', 1024 * GIB],
    ['GiB', GIB],
    ['MiB', MIB],
    ['KiB', KIB],
  ],
  duration: [
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
    ['ms', 1],
  ],
  count: [],
} as const satisfies Record<Unit, readonly (readonly [string, number])[]>;

/** An amount exactly, in the largest unit that people type for it: `64KiB`, `1min`, `4097`. */
export function writeExactly(amount: number, unit: Unit): string {
  const [name, size] = EXACT_UNITS[unit].find(([, each]) => amount > 0 && amount % each === 0) ?? ['', 1];
  return `${amount / size}${name}`;
}

/** A rate exactly, as people type it: `1gbit`, `80MB`; 0 is 0. */
export function writeRate(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  for (const [amount, unit, name] of [
    [bits, 1e9, 'gbit'],
    [bytesPerSecond, 1e6, 'MB'],
  ] as const) {
    if (amount > 0 && amount % unit === 0) return `${amount / unit}${name}`;
  }
  return String(bytesPerSecond);
}

/** An ERR_OPTION_INVALID for an amount that is out of range: `chunkSize: 1K is below the minimum of 64KiB`. */
export function outOfRange(
  option: string,
  value: unknown,
  side: 'below' | 'above',
  limit: number,
  unit: Unit,
): RamferryError {
  const shown = typeof value === 'string' ? cut(value) : showValue(value);
  const what = side === 'below' ? 'minimum' : 'maximum';
  const text = `${option}: ${shown} is ${side} the ${what} of ${writeExactly(limit, unit)}`;
  return new RamferryError('ERR_OPTION_INVALID', text);
}

const LONGEST_VALUE = 60;

function cut(text: string): string {
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

function showValue(value: unknown): string {
  // JSON.stringify returns undefined for functions, symbols and undefined.
  let text: string | undefined;
  try {
    // JSON has no NaN and no Infinity.
    const plain = typeof value === 'bigint' || typeof value === 'number';
    text = plain ? String(value) : JSON.stringify(value);
  } catch {
    text = typeof value; // circular
  }
  text ??= typeof value;
  return cut(text);
}

const NUMBER_AND_UNIT = /^(\d+(?:\.\d+)?)\s*([a-zA-Z/]*)$/;
const POWER = { '': 0, k: 1, m: 2, g: 3, t: 4 } as const;

function power(prefix: string, base: number): number {
  return base ** POWER[prefix.toLowerCase() as keyof typeof POWER];
}

/** Rounds to whole units and checks the range in which JavaScript counts exactly. */
function whole(value: number, option: string, original: unknown, what: string): number {
  const rounded = Math.round(value);
  if (!Number.isSafeInteger(rounded) || rounded < 0) {
    throw invalidOption(option, original, `expected ${what} from 0 to 2^53 - 1`);
  }
  return rounded;
}

const SIZE_HINT = 'write bytes, or a unit: 64K or 64KiB (1024), 64kB (1000), 1MiB, 1MB, 2G';

/**
 * A size in bytes. A bare letter is binary, as in QEMU: K = KiB = 1024, kB = 1000; upper and lower case are the same.
 * @param option name of the option, for messages
 * @throws RamferryError ERR_OPTION_INVALID
 * @example
 * ```ts
 * import { parseSize } from 'ramferry';
 *
 * console.assert(parseSize('64KiB', 'chunkSize') === 65536);
 * ```
 */
export function parseSize(value: string | number, option: string): number {
  if (typeof value === 'number') return whole(value, option, value, 'a size');
  const [, digits, unit] = NUMBER_AND_UNIT.exec(value.trim()) ?? [];
  const [, prefix, suffix] = /^([kmgt]?)(i?b?)$/i.exec(unit ?? '?') ?? [];
  // "64i", "64ib": the i needs a prefix letter in front of it.
  if (
    digits === undefined ||
    prefix === undefined ||
    (prefix === '' && suffix?.toLowerCase().startsWith('i'))
  ) {
    throw invalidOption(option, value, 'expected a size', SIZE_HINT);
  }
  const base = suffix?.toLowerCase() === 'b' ? 1000 : 1024;
  return whole(Number(digits) * power(prefix, base), option, value, 'a size');
}

const RATE_HINT =
  'write bytes per second, or a unit: 100M or 100MiB (binary bytes), 125MB (decimal bytes), 100mbit, 1gbit, 1Gbps';

/**
 * A rate in bytes per second; 0 means unlimited. Bits are written out (`gbit`, `Mbit/s`, `Mibit`) or
 * as `Gbps`; `B` is bytes; a bare letter is binary bytes, as QEMU's max-bandwidth. `Mb`, `mb` and `MBps` mean bits to some and
 * bytes to others: refused.
 * @param option name of the option, for messages
 * @throws RamferryError ERR_OPTION_INVALID
 * @example
 * ```ts
 * import { parseRate } from 'ramferry';
 *
 * console.assert(parseRate('1gbit', 'maxBandwidth') === 125_000_000);
 * ```
 */
export function parseRate(value: string | number, option: string): number {
  if (typeof value === 'number') return whole(value, option, value, 'a rate');
  const [, digits, written] = NUMBER_AND_UNIT.exec(value.trim()) ?? [];
  const unit = written?.replace(/\/s(ec)?$/i, '');
  if (digits === undefined || unit === undefined) {
    throw invalidOption(option, value, 'expected a rate', RATE_HINT);
  }
  const bits = /^([kmgt]?)(i?)bits?$/i.exec(unit) ?? /^([kmgtKMGT]?)()bps$/.exec(written ?? '');
  const bytes = /^([kmgt]?)(i?)B?$/i.exec(unit);
  const [, prefix, binary] = bits ?? bytes ?? [];
  if (prefix === undefined || (prefix === '' && binary !== '')) {
    throw invalidOption(option, value, 'expected a rate', RATE_HINT);
  }
  if (bits === null && unit.endsWith('b')) {
    throw invalidOption(option, value, 'bits or bytes? expected a rate', RATE_HINT);
  }
  const decimal = binary === '' && (bits !== null || unit.endsWith('B'));
  const amount = Number(digits) * power(prefix, decimal ? 1000 : 1024);
  const rate = whole(bits === null ? amount : amount / 8, option, value, 'a rate');
  // 0 means unlimited: a limit must not become that by rounding.
  return rate === 0 && amount > 0 ? 1 : rate;
}

/**
 * Processor time in CPUs: `1.5`, or `150%` of one.
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function parseCpus(value: string | number, option: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(String(value).trim()) ?? [];
  const amount = Number(digits) / (percent === '%' ? 100 : 1);
  if (digits === undefined || !Number.isFinite(amount)) {
    throw invalidOption(option, value, 'expected CPUs', 'write CPUs or a percentage of one: 1.5, 150%');
  }
  return amount;
}

const MILLISECONDS = { '': 1, ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

/**
 * A duration in milliseconds: a bare number is milliseconds, or `500ms`, `30s`, `2min`, `1h`.
 * @param option name of the option, for messages
 * @throws RamferryError ERR_OPTION_INVALID
 * @example
 * ```ts
 * import { parseDuration } from 'ramferry';
 *
 * console.assert(parseDuration('30s', 'ioTimeout') === 30_000);
 * ```
 */
export function parseDuration(value: string | number, option: string): number {
  if (typeof value === 'number') return whole(value, option, value, 'a duration');
  const [, digits, unit] = NUMBER_AND_UNIT.exec(value.trim()) ?? [];
  if (digits === undefined || unit === undefined || !Object.hasOwn(MILLISECONDS, unit)) {
    throw invalidOption(
      option,
      value,
      'expected a duration',
      'write milliseconds, or a unit: 500ms, 30s, 2min',
    );
  }
  return whole(Number(digits) * MILLISECONDS[unit as keyof typeof MILLISECONDS], option, value, 'a duration');
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let index = 0;
  let rest = value;
  // A value that rounds to 1000 or 1024.0 belongs to the next unit.
  while (index < units.length - 1 && Number(rest.toFixed(1)) >= base) {
    rest /= base;
    index++;
  }
  return `${index === 0 ? Math.round(rest).toString() : rest.toFixed(1)} ${units[index]!}`;
}

/** `512 B`, `1.5 MiB`: binary, because it is memory. */
export function formatSize(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

/** `117.4 MB/s`: decimal, because it is a link. */
export function formatRate(bytesPerSecond: number): string {
  return scaled(bytesPerSecond, 1000, ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s']);
}

/** `340 ms`, `12.4 s`, `3:05 min`, `1:02:03 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)} min`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)} h`;
}

/** `1 Gbit/s`: bits per second, the usual unit of links. */
export function formatBits(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  for (const [unit, size] of [
    ['Gbit/s', 1e9],
    ['Mbit/s', 1e6],
    ['kbit/s', 1e3],
  ] as const) {
    if (bits >= size) return `${Number((bits / size).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(bits)} bit/s`;
}

/** The name as options and JSON spell it: `compressThreads` to `compress-threads`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The known name nearest to a misspelt one: at most two edits away, and fewer than half of its letters. */
export function nearest(written: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.min(2, Math.ceil(written.length / 2) - 1) + 1;
  for (const name of names) {
    const apart = distance(written.toLowerCase(), name.toLowerCase());
    if (apart < least) [best, least] = [name, apart];
  }
  return best;
}

/** Letters to insert, delete, replace or exchange with their neighbour. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (exchanged) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
