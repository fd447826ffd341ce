// The totals of a stream: both sides add up its chunks in stream order, and the receiver compares at the end.
// Works on the checksums that the workers computed, not on the contents.

import { Xxh64 } from '../../chunk/xxhash.js';
import { RamferryError } from '../../errors.js';
import type { StreamSums } from '../sums.js';
import type { StreamTotals } from './record.js';

/** A worker's result for one chunk, encoded or decoded. */
export interface UnitResult {
  /** Bytes of the unit in the stream, its header included. */
  readonly encodedLength: number;
  readonly decodedLength: number;
  /** XXH64 of all bytes of the unit. It also detects flipped bits that do not change the decoded bytes. */
  readonly encodedHash: bigint;
  /** XXH64 of the decoded bytes. */
  readonly decodedHash: bigint;
}

export class TotalsDigest {
  readonly #hash = new Xxh64();
  readonly #scratch = Buffer.alloc(16);
  #chunks = 0;
  #decodedBytes = 0;

  /** Adds the next chunk in stream order: two checksums of 8 bytes, little-endian, the decoded one first. */
  add(unit: UnitResult): void {
    this.#scratch.writeBigUInt64LE(unit.decodedHash, 0);
    this.#scratch.writeBigUInt64LE(unit.encodedHash, 8);
    this.#hash.update(this.#scratch);
    this.#chunks += 1;
    this.#decodedBytes += unit.decodedLength;
  }

  totals(): StreamTotals {
    return { chunks: this.#chunks, decodedBytes: this.#decodedBytes, digest: this.#hash.digest() };
  }

  sums(): StreamSums {
    return { bytes: this.#decodedBytes, chunks: this.#chunks, digest: this.#hash.digest() };
  }

  /** @throws ERR_STREAM_TOTALS when the stream's totals differ from those of the added chunks */
  verify(expected: StreamTotals): void {
    compareTotals(this.totals(), expected);
  }
}

/**
 * @param seen the totals of the chunks; without a digest where they were not decoded
 * @throws ERR_STREAM_TOTALS when the stream states other totals
 */
export function compareTotals(
  seen: Omit<StreamTotals, 'digest'> & { readonly digest?: bigint },
  expected: StreamTotals,
  offset?: number,
): void {
  const wrong =
    seen.chunks !== expected.chunks
      ? `${seen.chunks} chunks instead of ${expected.chunks}`
      : seen.decodedBytes !== expected.decodedBytes
        ? `${seen.decodedBytes} decoded bytes instead of ${expected.decodedBytes}`
        : seen.digest !== undefined && seen.digest !== expected.digest
          ? 'the digest differs'
          : undefined;
  if (wrong === undefined) return;
  throw new RamferryError('ERR_STREAM_TOTALS', `the stream is not what was sent: ${wrong}`, {
    hint: 'Bytes were changed on the way; send again.',
    ...(offset === undefined ? {} : { offset }),
  });
}
