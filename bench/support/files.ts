// Files that suites need: an image repeated until it is large enough, or mixed so that it is the same everywhere; written
// once and in bounded memory.

import { closeSync, existsSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/units.js';

const PIECE = 4 * MIB;
/** A hole is found where so many bytes are zero. */
const HOLE = 16 * 4096;

/** The image cut, or repeated, to `bytes`, with holes where it is zero. */
export function cut(image: string, bytes: number, path: string): string {
  const zero = Buffer.alloc(HOLE);
  const skip = (part: Buffer): boolean => part.equals(zero.subarray(0, part.length));
  return copy(image, bytes, path, { pieceBytes: HOLE, skip });
}

/** The image again and again until `bytes` are there; the image itself where it has that size. */
export function repeated(image: string, bytes: number, directory: string): string {
  if (statSync(image).size === bytes) return image;
  const path = join(directory, `repeated-${bytes}.ram`);
  if (existsSync(path)) return path;
  return copy(image, bytes, path, { pieceBytes: PIECE });
}

/**
 * The same in another order, MiB by MiB, so that every stretch holds something from everywhere in the image. A comparison of
 * what passed at different times then compares the same kind of memory.
 */
export function mixed(image: string, bytes: number, directory: string): string {
  const path = join(directory, `mixed-${bytes}.ram`);
  if (existsSync(path)) return path;
  const count = Math.floor(statSync(image).size / MIB);
  const step = coprime(Math.round(count * 0.618), count);
  return copy(image, bytes, path, {
    pieceBytes: MIB,
    place: (done) => (((done / MIB) * step) % count) * MIB,
  });
}

function coprime(wanted: number, count: number): number {
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  let step = Math.max(1, wanted);
  while (common(step, count) !== 1) step++;
  return step;
}

interface CopyOptions {
  readonly pieceBytes: number;
  /** Which pieces become holes; none by default. */
  readonly skip?: (part: Buffer) => boolean;
  /** Where in the image a piece is; by default the image starts over where it ends. */
  readonly place?: (done: number, size: number) => number;
}

function copy(image: string, bytes: number, path: string, options: CopyOptions): string {
  const { pieceBytes, skip = () => false, place = (done, size) => done % size } = options;
  const { size } = statSync(image);
  const from = openSync(image, 'r');
  const to = openSync(path, 'wx', 0o600);
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let done = 0; done < bytes;) {
      const got = readSync(from, piece, 0, Math.min(piece.length, bytes - done), place(done, size));
      const part = piece.subarray(0, got);
      if (!skip(part)) writeSync(to, part, 0, got, done);
      done += got;
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
  truncateSync(path, bytes);
  return path;
}
