// Loads zstd-napi, the native binding with streaming decompression, and translates libzstd's errors.
// zstd-napi is an optional package: it compiles where no prebuilt binary can be fetched, and may be missing.

import { loadModule } from '../../../codec/binding.js';
import { RamferryError } from '../../../errors.js';

/** The part of `zstd-napi/binding` that ramferry uses. */
export interface ZstdNapi {
  readonly DCtx: new () => DecompressionContext;
  readonly DParameter: { readonly windowLogMax: number };
}

export interface DecompressionContext {
  /** Returns the decoded length. Throws when that exceeds `dst`. */
  decompress(dst: Uint8Array, src: Uint8Array): number;
  /** Returns three numbers: 0 at a frame's end, else a hint of missing bytes; bytes written to `dst`; bytes read of `src`. */
  decompressStream(dst: Uint8Array, src: Uint8Array): [number, number, number];
  setParameter(parameter: number, value: number): void;
}

/** @returns undefined when the package is missing or does not load on this machine */
export function loadZstdNapi(): ZstdNapi | undefined {
  try {
    return loadModule('zstd-napi/binding') as ZstdNapi;
  } catch {
    return undefined;
  }
}

/** The error for a stream that may be sound but needs a streaming binding, which this machine lacks. */
export function noStreamingZstd(offset?: number): RamferryError {
  return new RamferryError('ERR_CODEC_UNAVAILABLE', 'this zstd stream can only be decoded piece by piece', {
    hint: 'Install the optional package zstd-napi, or run Node 22.15 or later.',
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
