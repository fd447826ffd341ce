// Lines as they pass on emu-manager's control channel: bytes in, whole lines out, at once and unchanged.
// A line without an end is handed on when it grows too long to be one, or when the channel ends.

import { Buffer } from 'node:buffer';
import type { ByteSource } from '../../io/bytes.js';
import { KIB } from '../../units.js';

/** emu-manager itself refuses lines of more than 128 bytes; nobody waits for the end of one as long as this. */
const MAX_LINE_BYTES = 64 * KIB;
const NEWLINE = 0x0a;

/** Every byte of the source in order, cut behind each newline. */
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
