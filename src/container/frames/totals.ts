// The totals of a stream: both sides add up its chunks in stream order and compare at the end.
// Takes the checksums that the workers computed; sees no payload.

import { Xxh64 } from '../../chunk/xxhash.js';
import { RamferryError } from '../../errors.js';
import type { StreamSums } from '../sums.js';
import type { StreamTotals } from './record.js';

/** What a worker reports of one chunk, in both directions. */
export interface UnitResult {
  /** All bytes of the unit in the stream, its header included. */
  readonly encodedLength: number;
  readonly decodedLength: number;
  /** XXH64 of all bytes of the unit: finds flips that decode to the same bytes, too. */
  readonly encodedHash: bigint;
  /** XXH64 of the decoded bytes. */
  readonly decodedHash: bigint;
}

export class TotalsDigest {
  readonly #hash = new Xxh64();
  readonly #scratch = Buffer.alloc(16);
  #chunks = 0;
  #decodedBytes = 0;

  /** Adds the next chunk in stream order: its two checksums, decoded first, 8 bytes little-endian each. */
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

  /** Throws ERR_STREAM_TOTALS when the stream's totals are not those of the chunks that were added. */
  verify(expected: StreamTotals): void {
    compareTotals(this.totals(), expected);
  }
}

/**
 * @param seen what the chunks add up to; without a digest where they were not decoded
 * @throws ERR_STREAM_TOTALS when the stream states something else
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
