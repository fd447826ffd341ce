// Splits emu-manager's control channel into lines: bytes in, complete lines out, at once and unchanged.
// A line without an end is passed on when it exceeds the limit, or when the channel ends.

import { Buffer } from 'node:buffer';
import type { ByteSource } from '../../io/bytes.js';
import { KIB } from '../../units.js';

/** emu-manager refuses lines of more than 128 bytes. */
const MAX_LINE_BYTES = 64 * KIB;
const NEWLINE = 0x0a;

/** All bytes of the source in order, cut behind each newline. */
export async function* readLines(source: ByteSource): AsyncGenerator<Buffer, void> {
  const piece = Buffer.alloc(4096);
  let rest = Buffer.alloc(0);
  for (;;) {
    const got = await source.read(piece);
    if (got === 0) break;
    rest = Buffer.concat([rest, piece.subarray(0, got)]);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MAX_LINE_BYTES) {
      yield rest;
      rest = Buffer.alloc(0);
    }
  }
  if (rest.length > 0) yield rest;
}

/** A line's text without its end. */
export function textOf(line: Buffer): string {
  return line.toString('latin1').replace(/\r?\n$/, '');
}
