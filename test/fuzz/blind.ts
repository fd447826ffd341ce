// Blind mutations of any bytes: flipped bits; cut, repeated, moved and inserted ranges; integers at their limits.
// Knows no format.

import { Buffer } from 'node:buffer';

import type { Xorshift32 } from '../../lab/random.js';

/** A few blind mutations of any bytes. */
export function mutateBlindly(original: Buffer, others: readonly Buffer[], random: Xorshift32): Buffer {
  return mutateTimes(1 + random.below(4), original, others, random);
}

/** Applies `times` mutations to a copy of the bytes. */
export function mutateTimes(
  times: number,
  original: Buffer,
  others: readonly Buffer[],
  random: Xorshift32,
): Buffer {
  let bytes = Buffer.from(original) as Buffer;
  for (let left = times; left > 0; left--) bytes = random.pick(BLIND)(bytes, others, random);
  return bytes;
}

type Blind = (bytes: Buffer, others: readonly Buffer[], random: Xorshift32) => Buffer;

/** Integers at which code tends to fail. */
const EDGES = [
  0n,
  1n,
  15n,
  127n,
  128n,
  4095n,
  4096n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
];
const WIDE_EDGES = [...EDGES, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

export function putEdge(bytes: Buffer, at: number, width: number, random: Xorshift32): void {
  const mask = 2n ** BigInt(width * 8) - 1n;
  const old = width === 4 ? BigInt(bytes.readUInt32LE(at)) : bytes.readBigUInt64LE(at);
  const value =
    random.below(3) === 0 ? old + BigInt(random.below(5) - 2) : random.pick(width === 4 ? EDGES : WIDE_EDGES);
  if (width === 4) bytes.writeUInt32LE(Number(value & mask), at);
  else bytes.writeBigUInt64LE(value & mask, at);
}

function range(bytes: Buffer, random: Xorshift32): [from: number, to: number] {
  const from = random.below(bytes.length + 1);
  const longest = random.below(4) === 0 ? bytes.length - from : Math.min(bytes.length - from, 16);
  return [from, from + random.below(longest + 1)];
}

const BLIND: readonly Blind[] = [
  (bytes, _others, random) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    return bytes;
  },
  (bytes, _others, random) => {
    if (bytes.length > 0)
      bytes[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    return bytes;
  },
  (bytes, _others, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, _others, random) => {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, _others, random) => {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to)]);
  },
  (bytes, others, random) => {
    const other = random.pick(others);
    const [from, to] = range(other, random);
    const at = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(at)]);
  },
  (bytes, others, random) => Buffer.concat([bytes.subarray(0, range(bytes, random)[1]), random.pick(others)]),
  (bytes, _others, random) => {
    const width = random.pick([4, 8]);
    if (bytes.length >= width)
      putEdge(bytes, random.below(Math.floor((bytes.length - width) / 4) + 1) * 4, width, random);
    return bytes;
  },
  (bytes, _others, random) => Buffer.concat([bytes, random.bytes(random.below(20))]),
];
