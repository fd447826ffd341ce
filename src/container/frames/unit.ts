// A unit: one chunk as standard frames, independent of all others. This is what workers make and take apart.
// Synchronous unless the codec's binding is not; from and into memory that the caller gives; no state between units.

import { xxh64 } from '../../chunk/xxhash.js';
import type { FrameFormat } from './record.js';
import type { UnitResult } from './totals.js';

export interface UnitCoder {
  readonly format: FrameFormat;
  /** Room in bytes that `encode` needs in dst for a chunk of `decodedLength` bytes. */
  bound(decodedLength: number): number;
  /**
   * Writes all of src as one unit to the start of dst.
   * Same src, level and binding version: same bytes.
   * @param level 0 = stored, 1 = fastest.
   */
  encode(dst: Uint8Array, src: Uint8Array, level: number): UnitResult | Promise<UnitResult>;
  /**
   * Restores a unit into dst and verifies every checksum in it.
   * @param dst exactly `decodedLength` bytes; where the splitter could not tell it, `decodedBound` bytes.
   * @param unit exactly the bytes that the splitter named.
   * @param offset of the unit in the stream, for messages.
   * Throws ERR_STREAM_CODEC, ERR_STREAM_CHECKSUM, ERR_STREAM_FORMAT or ERR_STREAM_LIMIT.
   */
  decode(dst: Uint8Array, unit: Uint8Array, offset: number): UnitResult | Promise<UnitResult>;
}

/** The two checksums that go into the totals. */
export function unitResult(unit: Uint8Array, decoded: Uint8Array): UnitResult {
  return {
    encodedLength: unit.length,
    decodedLength: decoded.length,
    encodedHash: xxh64(unit),
    decodedHash: xxh64(decoded),
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The same memory as a Buffer, which some bindings ask for. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
