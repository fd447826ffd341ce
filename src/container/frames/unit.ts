// A unit: one chunk as standard frames, independent of all others. Workers encode and decode units.
// Synchronous unless the codec's binding is asynchronous. Uses the caller's memory and keeps no state between units.

import { xxh64 } from '../../chunk/xxhash.js';
import type { FrameFormat } from './record.js';
import type { UnitResult } from './totals.js';

export interface UnitCoder {
  readonly format: FrameFormat;
  /** Bytes that `encode` needs in `dst` for a chunk of `decodedLength` bytes. */
  bound(decodedLength: number): number;
  /**
   * Writes all of `src` as one unit to the start of `dst`. The result depends on `src`, level and binding version only.
   * @param level 0 = stored, 1 = fastest
   */
  encode(dst: Uint8Array, src: Uint8Array, level: number): UnitResult | Promise<UnitResult>;
  /**
   * Decodes a unit into `dst` and verifies every checksum in it.
   * @param dst exactly `decodedLength` bytes, or `decodedBound` bytes where the unit does not state its length
   * @param unit exactly the bytes of the unit, as the splitter reported them
   * @param offset offset of the unit in the stream, for messages
   * @throws ERR_STREAM_CODEC, ERR_STREAM_CHECKSUM, ERR_STREAM_FORMAT or ERR_STREAM_LIMIT
   */
  decode(dst: Uint8Array, unit: Uint8Array, offset: number): UnitResult | Promise<UnitResult>;
}

/** Computes the two lengths and checksums that the totals cover. */
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

/** The same memory as a Buffer, which some bindings require. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
