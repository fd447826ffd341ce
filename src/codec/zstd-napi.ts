// zstd through the package zstd-napi: the fast binding, from and into the caller's memory, shared or not.
// It is an optional dependency: it compiles where no prebuilt binary can be downloaded, and may be missing.

import { toRamferryError } from '../errors.js';
import { loadModule, packageVersion, type Binding } from './binding.js';
import type { ZstdCodec } from './codec.js';
import { checkLevel, ZSTD_LEVELS } from './level.js';
import { acceptOwnFrame, checkChunkFrame, checkDecodedLength, ZSTD_CONTENT_MAX } from './zstd-chunk.js';
import { zstdContexts } from './zstd-memory.js';
import { EncoderParameters } from './zstd-parameters.js';

/** The used part of `zstd-napi/binding`. */
interface Native {
  readonly CCtx: new () => CompressionContext;
  readonly DCtx: new () => { decompress(dst: Uint8Array, src: Uint8Array): number };
  readonly ResetDirective: { readonly sessionOnly: number };
  versionString(): string;
}
interface CompressionContext {
  setParameter(parameter: number, value: number): void;
  /** ZSTD_CCtx_reset */
  reset(directive: number): void;
  compress2(dst: Uint8Array, src: Uint8Array): number;
}

const traits = {
  codec: 'zstd',
  binding: 'zstd-napi',
  direct: true,
  asynchronous: false,
  returnsBuffers: false,
  levels: ZSTD_LEVELS,
  longDistance: true,
  memoryPerThread: zstdContexts,
} as const;

class ZstdNapi implements ZstdCodec {
  readonly name = 'zstd';
  readonly binding = traits.binding;
  #encoder: { readonly context: CompressionContext; readonly parameters: EncoderParameters } | undefined;
  #decoder: InstanceType<Native['DCtx']> | undefined;
  readonly #native: Native;
  readonly #longDistance: boolean;

  constructor(native: Native, longDistance: boolean) {
    this.#native = native;
    this.#longDistance = longDistance;
  }

  compress(dst: Uint8Array, src: Uint8Array, level: number): number {
    return this.#encode(dst, src, level, false);
  }

  compressFrame(dst: Uint8Array, src: Uint8Array, level: number): number {
    return this.#encode(dst, src, level, true);
  }

  decompress(dst: Uint8Array, src: Uint8Array): void {
    checkChunkFrame(src, dst.length);
    this.#decoder ??= new this.#native.DCtx();
    let length: number;
    try {
      length = this.#decoder.decompress(dst, src);
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'zstd frame is damaged');
    }
    checkDecodedLength(length, dst.length);
  }

  close(): void {
    // The contexts are freed with their objects.
    this.#encoder = undefined;
    this.#decoder = undefined;
  }

  #encode(dst: Uint8Array, src: Uint8Array, level: number, checksum: boolean): number {
    checkLevel('zstd', level, ZSTD_LEVELS);
    if (level === 0 || src.length > ZSTD_CONTENT_MAX) return -1;
    const { context, parameters } = (this.#encoder ??= openEncoder(this.#native));
    const request = { level, size: src.length, checksum, longDistance: this.#longDistance };
    parameters.apply(request);
    try {
      return acceptOwnFrame(dst, context.compress2(dst, src), src.length);
    } catch (thrown) {
      // A frame that failed stays open, and an open frame accepts no other parameters, not even for the next input.
      context.reset(this.#native.ResetDirective.sessionOnly);
      if (thrown instanceof Error && thrown.message.startsWith('Destination buffer is too small')) return -1;
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zstd');
    }
  }
}

function openEncoder({ CCtx }: Native): { context: CompressionContext; parameters: EncoderParameters } {
  const context = new CCtx();
  return { context, parameters: new EncoderParameters((name, value) => context.setParameter(name, value)) };
}

export const zstdNapi: Binding<ZstdCodec> = {
  traits,
  load: () => {
    const native = loadModule('zstd-napi/binding') as Native;
    return {
      info: {
        ...traits,
        // Looked up where it is printed: finding the package's manifest takes 2 ms.
        get version() {
          return packageVersion('zstd-napi');
        },
        library: native.versionString(),
      },
      open: (longDistance = false) => new ZstdNapi(native, longDistance),
    };
  },
};
