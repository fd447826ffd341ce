// What the simulated guest hides at the end of one of its device states, so that a stream can be checked without a way
// back: 24 bytes, the magic "RFGUEST1", then XXH64 over RAM and RAM's size in pages as little-endian 64-bit numbers.
// Lies in state that hypervisors treat as a blob: the stream's records keep their real sizes.

import { Buffer } from 'node:buffer';

const MAGIC = Buffer.from('RFGUEST1', 'latin1');
const TRAILER_BYTES = 24;

/** What the source's RAM was when it paused. */
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

/** What the state ends with; undefined when that is not a trailer, as in a real guest's stream. */
export function readTrailer(state: Uint8Array): Trailer | undefined {
  const bytes = Buffer.from(state.buffer, state.byteOffset, state.byteLength);
  const at = bytes.length - TRAILER_BYTES;
  if (at < 0 || MAGIC.compare(bytes, at, at + 8) !== 0) return undefined;
  return { hash: bytes.readBigUInt64LE(at + 8), pages: Number(bytes.readBigUInt64LE(at + 16)) };
}
