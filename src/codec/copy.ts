// The last step of a codec whose binding returns its own buffers: copies the bytes into the caller's memory.
// Returns -1 instead of a throw when they do not fit, as Codec.compress does.

import { MIB } from '../units.js';

/** Copies all of `from` to the start of `to`. @returns how many bytes, or -1 when they do not fit. */
export function copyIfFits(to: Uint8Array, from: Uint8Array): number {
  if (from.length > to.length) return -1;
  to.set(from);
  return from.length;
}

/** A Buffer over the same memory: some bindings accept nothing else. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Most garbage outside V8's heap while a Reclaimer is at work: up to 13 MiB measured, and V8's own delay. */
const GARBAGE_BYTES = 24 * MIB;

/** Bytes that a thread may hold in returned buffers of at most `size` bytes each, for BindingInfo.memoryPerThread. */
export function returnedBuffers(size: number): number {
  return GARBAGE_BYTES + 2 * size;
}
