// Input files of suites: an image repeated up to a size, or mixed so that its contents are evenly distributed. Each file
// is written once, in bounded memory.

import { closeSync, existsSync, openSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/units.js';

const PIECE = 4 * MIB;
/** Size of a piece that becomes a hole when all its bytes are zero. */
const HOLE = 16 * 4096;

/** Writes the image, cut or repeated to `bytes`, with holes in place of zeros. */
export function cut(image: string, bytes: number, path: string): string {
  const zero = Buffer.alloc(HOLE);
  const skip = (part: Buffer): boolean => part.equals(zero.subarray(0, part.length));
  return copy(image, bytes, path, { pieceBytes: HOLE, skip });
}

/** Writes the image, repeated or cut to `bytes`. An image of that size is used directly. */
export function repeated(image: string, bytes: number, directory: string): string {
  if (statSync(image).size === bytes) return image;
  const path = join(directory, `repeated-${bytes}.ram`);
  if (existsSync(path)) return path;
  return copy(image, bytes, path, { pieceBytes: PIECE });
}

/**
 * Writes the image with its MiBs in another order, so that every part of the file holds pieces from all over the image.
 * Rates at different times of a transfer then belong to the same kind of memory.
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
  /** Selects the pieces that become holes; none by default. */
  readonly skip?: (part: Buffer) => boolean;
  /** Position of a piece in the image; by default the image is repeated. */
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
