// zstd through the package zstd-napi: the fast binding, from and into the caller's memory, shared or not.
// It is an optional dependency: it compiles where no prebuilt binary can be downloaded, and may be missing.

import { RamferryError, toRamferryError } from '../errors.js';
import { loadModule, packageVersion, type Binding } from './binding.js';
import type { ZstdCodec } from './codec.js';
import { checkLevel, ZSTD_LEVELS } from './level.js';
import { acceptOwnFrame, checkChunkFrame, ZSTD_CONTENT_MAX } from './zstd-chunk.js';
import { zstdContexts } from './zstd-memory.js';
import { zstdParameters } from './zstd-parameters.js';

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
  #encoder: CompressionContext | undefined;
  #decoder: InstanceType<Native['DCtx']> | undefined;
  readonly #current = new Map<number, number>();
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
    if (length !== dst.length) {
      throw new RamferryError(
        'ERR_STREAM_CODEC',
        `zstd frame holds ${length} bytes, not the ${dst.length} that were announced`,
      );
    }
  }

  close(): void {
    // The contexts are freed with their objects.
    this.#encoder = undefined;
    this.#decoder = undefined;
    this.#current.clear();
  }

  #encode(dst: Uint8Array, src: Uint8Array, level: number, checksum: boolean): number {
    checkLevel('zstd', level, ZSTD_LEVELS);
    if (level === 0 || src.length > ZSTD_CONTENT_MAX) return -1;
    this.#encoder ??= new this.#native.CCtx();
    const request = { level, size: src.length, checksum, longDistance: this.#longDistance };
    for (const [parameter, value] of zstdParameters(request)) this.#set(this.#encoder, parameter, value);
    try {
      return acceptOwnFrame(dst, this.#encoder.compress2(dst, src), src.length);
    } catch (thrown) {
      // A frame that failed stays open, and an open frame accepts no other parameters, not even for the next input.
      this.#encoder.reset(this.#native.ResetDirective.sessionOnly);
      if (thrown instanceof Error && thrown.message.startsWith('Destination buffer is too small')) return -1;
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zstd');
    }
  }

  /** The context keeps its parameters: only changes cross into native code. */
  #set(encoder: CompressionContext, parameter: number, value: number): void {
    if ((this.#current.get(parameter) ?? 0) === value) return;
    encoder.setParameter(parameter, value);
    this.#current.set(parameter, value);
  }
}

export const zstdNapi: Binding<ZstdCodec> = {
  traits,
  load: () => {
    const native = loadModule('zstd-napi/binding') as Native;
    return {
      info: { ...traits, version: packageVersion('zstd-napi'), library: native.versionString() },
      open: (longDistance = false) => new ZstdNapi(native, longDistance),
    };
  },
};
