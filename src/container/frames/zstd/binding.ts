// Finds the native zstd that can decode a stream piece by piece, and says in our words what it complains about.
// zstd-napi is optional: it compiles where no prebuilt binary can be fetched, and may be missing.

import { loadModule } from '../../../codec/binding.js';
import { RamferryError } from '../../../errors.js';

/** What we use of `zstd-napi/binding`. */
export interface ZstdNapi {
  readonly DCtx: new () => DecompressionContext;
  readonly DParameter: { readonly windowLogMax: number };
}

export interface DecompressionContext {
  /** Returns the decoded length. Throws when it exceeds dst. */
  decompress(dst: Uint8Array, src: Uint8Array): number;
  /** Returns 0 at a frame's end, else what is missing; the bytes written to dst; the bytes used of src. */
  decompressStream(dst: Uint8Array, src: Uint8Array): [number, number, number];
  setParameter(parameter: number, value: number): void;
}

/** @returns undefined when the package is missing or does not load here. */
export function loadZstdNapi(): ZstdNapi | undefined {
  try {
    return loadModule('zstd-napi/binding') as ZstdNapi;
  } catch {
    return undefined;
  }
}

/** Why a stream cannot be decoded here, although it may be good. */
export function noStreamingZstd(offset?: number): RamferryError {
  return new RamferryError('ERR_CODEC_UNAVAILABLE', 'this zstd stream can only be decoded piece by piece', {
    hint: 'Install the optional package zstd-napi, or run Node 22.15 or later.',
    ...(offset === undefined ? {} : { offset }),
  });
}

/** Errors of libzstd, by their stable texts (ZSTD_getErrorString). */
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
    // A frame does not tell that a dictionary without a number was used.
    hint: 'or it was compressed with a dictionary (`zstd -D`), which ramferry does not read: decode it with zstd',
  });
}
