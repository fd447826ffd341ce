// What a synchronous streaming decoder of zstd offers, and libzstd's errors in our terms.
// Both bindings that have one may be missing: zstd-napi is an optional package, libzstd belongs to the system.

import { RamferryError } from '../../../errors.js';

/** A binding with streaming decompression. */
export interface StreamingZstd {
  /** The caller closes the context. */
  open(): DecompressionContext;
  /** Number of the parameter that limits the window. */
  readonly windowLogMax: number;
}

export interface DecompressionContext {
  /** Returns the decoded length. Throws when that exceeds `dst`. */
  decompress(dst: Uint8Array, src: Uint8Array): number;
  /** Returns three numbers: 0 at a frame's end, else a hint of missing bytes; bytes written to `dst`; bytes read of `src`. */
  decompressStream(dst: Uint8Array, src: Uint8Array): [number, number, number];
  setParameter(parameter: number, value: number): void;
  /** Gives its memory back. Absent: the object does when it is collected. */
  close?(): void;
}

/** The error for a stream that may be sound but needs a streaming binding, which this machine lacks. */
export function noStreamingZstd(offset?: number): RamferryError {
  return new RamferryError('ERR_CODEC_UNAVAILABLE', 'this zstd stream can only be decoded piece by piece', {
    hint: 'Install the system library libzstd (1.4.8 or later) or the optional package zstd-napi, or run Node 22.15 or later.',
    ...(offset === undefined ? {} : { offset }),
  });
}

/** Translates an error of libzstd by its stable text (ZSTD_getErrorString). */
export function zstdFailure(thrown: unknown, offset: number): RamferryError {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (/checksum/i.test(text)) {
    return new RamferryError('ERR_STREAM_CHECKSUM', 'a zstd frame decodes to other bytes than were sent', {
      offset,
      cause: thrown,
    });
  }
  if (/too (small|much memory)/i.test(text)) {
    return new RamferryError(
      'ERR_STREAM_LIMIT',
      'a zstd frame needs more memory than this receiver gives it',
      {
        offset,
        cause: thrown,
        hint: 'Decode it with `zstd -dc` and send the result without compression.',
      },
    );
  }
  return new RamferryError('ERR_STREAM_CODEC', `a zstd frame is damaged: ${text}`, {
    offset,
    cause: thrown,
    // A frame does not state the use of a dictionary that has no number.
    hint: 'or it was compressed with a dictionary (`zstd -D`), which ramferry does not read: decode it with zstd',
  });
}
