// The trailer: 24 bytes at the end of one device state, with which a destination checks RAM without a return path.
// They are the magic "RFGUEST1", XXH64 over RAM, and RAM's size in pages, both as little-endian 64-bit numbers.
// Hypervisors treat this state as a blob, so the stream's records keep their real sizes.

import { Buffer } from 'node:buffer';

const MAGIC = Buffer.from('RFGUEST1', 'latin1');
const TRAILER_BYTES = 24;

/** Hash and size of the source's RAM at the pause. */
export interface Trailer {
  readonly hash: bigint;
  readonly pages: number;
}

/** Overwrites the last 24 bytes of a device's state. */
export function writeTrailer(state: Buffer, trailer: Trailer): void {
  const at = state.length - TRAILER_BYTES;
  MAGIC.copy(state, at);
  state.writeBigUInt64LE(trailer.hash, at + 8);
  state.writeBigUInt64LE(BigInt(trailer.pages), at + 16);
}

/** The trailer at the end of the state; undefined when there is none, as in a real guest's stream. */
export function readTrailer(state: Uint8Array): Trailer | undefined {
  const bytes = Buffer.from(state.buffer, state.byteOffset, state.byteLength);
  const at = bytes.length - TRAILER_BYTES;
  if (at < 0 || MAGIC.compare(bytes, at, at + 8) !== 0) return undefined;
  return { hash: bytes.readBigUInt64LE(at + 8), pages: Number(bytes.readBigUInt64LE(at + 16)) };
}
