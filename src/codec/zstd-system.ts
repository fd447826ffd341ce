// zstd through the system's libzstd: as fast as zstd-napi, from and into the caller's memory, shared or not, without a compiler.
// Needs koffi's prebuilt binary and libzstd.so.1, which every distribution has.

import { toRamferryError } from '../errors.js';
import { MIB } from '../units.js';
import type { Binding } from './binding.js';
import type { ZstdCodec } from './codec.js';
import { checkLevel, ZSTD_LEVELS } from './level.js';
import { acceptOwnFrame, checkChunkFrame, checkDecodedLength, ZSTD_CONTENT_MAX } from './zstd-chunk.js';
import { ZSTD_ERROR, ZstdError, zstdLibrary, type ZstdLibrary } from './zstd-library.js';
import { zstdContexts, zstdEncoderMemory } from './zstd-memory.js';
import { EncoderParameters, ZSTD_PARAMETER, type ZstdRequest } from './zstd-parameters.js';

/** ZSTD_ResetDirective */
const RESET = { session: 1, all: 3 } as const;
/** ZSTD_ps_disable. */
const DISABLE = 2;
/** Another version may need more than the estimate: so many bytes at most. */
const ENCODER_MAX = 256 * MIB;

const traits = {
  codec: 'zstd',
  binding: 'libzstd',
  direct: true,
  asynchronous: false,
  returnsBuffers: false,
  levels: ZSTD_LEVELS,
  longDistance: true,
  memoryPerThread: zstdContexts,
} as const;

/** An encoder of libzstd and its parameters. */
class Encoder {
  readonly size: number;
  readonly #library: ZstdLibrary;
  readonly #parameters: EncoderParameters;
  readonly #memory: Uint8Array;
  readonly #context: bigint | null;

  constructor(library: ZstdLibrary, size: number) {
    this.#library = library;
    this.size = size;
    this.#memory = new Uint8Array(new ArrayBuffer(size));
    this.#context = library.functions.ZSTD_initStaticCCtx(this.#memory, size);
    if (this.#context === null)
      throw new Error(`libzstd ${library.version} makes no encoder in ${size} bytes`);
    // The memory is zero, and with it the flag that a frame names the size of its content.
    library.result(library.functions.ZSTD_CCtx_reset(this.#context, RESET.all));
    this.#parameters = new EncoderParameters((parameter, value) => {
      library.result(library.functions.ZSTD_CCtx_setParameter(this.#context, parameter, value));
    });
    if (library.splitterUnsound) this.#parameters.set(ZSTD_PARAMETER.blockSplitter, DISABLE);
  }

  /** @throws ZstdError */
  compress(dst: Uint8Array, src: Uint8Array, request: ZstdRequest): number {
    this.#parameters.apply(request);
    const { functions, result } = this.#library;
    return result(functions.ZSTD_compress2(this.#context, dst, dst.length, src, src.length));
  }

  /** A frame that failed stays open, and an open frame accepts no other parameters, not even for the next input. */
  reset(): void {
    this.#library.functions.ZSTD_CCtx_reset(this.#context, RESET.session);
  }
}

class ZstdSystem implements ZstdCodec {
  readonly name = 'zstd';
  readonly binding = traits.binding;
  #encoder: Encoder | undefined;
  #decoder: { readonly memory: Uint8Array; readonly context: bigint | null } | undefined;
  readonly #library: ZstdLibrary;
  readonly #longDistance: boolean;

  constructor(library: ZstdLibrary, longDistance: boolean) {
    this.#library = library;
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
    const { functions, result } = this.#library;
    const { context } = (this.#decoder ??= openDecoder(this.#library));
    let length: number;
    try {
      length = result(functions.ZSTD_decompressDCtx(context, dst, dst.length, src, src.length));
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'zstd frame is damaged');
    }
    checkDecodedLength(length, dst.length);
  }

  close(): void {
    // The contexts are freed with their memory.
    this.#encoder = undefined;
    this.#decoder = undefined;
  }

  #encode(dst: Uint8Array, src: Uint8Array, level: number, checksum: boolean): number {
    checkLevel('zstd', level, ZSTD_LEVELS);
    if (level === 0 || src.length > ZSTD_CONTENT_MAX) return -1;
    const request = { level, size: src.length, checksum, longDistance: this.#longDistance };
    const encoder = this.#encoderFor(zstdEncoderMemory(level, src.length, this.#longDistance));
    try {
      return acceptOwnFrame(dst, encoder.compress(dst, src, request), src.length);
    } catch (thrown) {
      encoder.reset();
      if (thrown instanceof ZstdError) {
        if (thrown.code === ZSTD_ERROR.destination) return -1;
        if (thrown.code === ZSTD_ERROR.memory && encoder.size < ENCODER_MAX) {
          this.#encoderFor(2 * encoder.size);
          return this.#encode(dst, src, level, checksum);
        }
      }
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zstd');
    }
  }

  /** An encoder of at least `size` bytes. A static context cannot grow, so another one takes its place. */
  #encoderFor(size: number): Encoder {
    if (this.#encoder === undefined || this.#encoder.size < size) {
      this.#encoder = new Encoder(this.#library, size);
    }
    return this.#encoder;
  }
}

function openDecoder({ functions }: ZstdLibrary): { memory: Uint8Array; context: bigint | null } {
  const memory = new Uint8Array(new ArrayBuffer(functions.ZSTD_estimateDCtxSize()));
  return { memory, context: functions.ZSTD_initStaticDCtx(memory, memory.length) };
}

export const zstdSystem: Binding<ZstdCodec> = {
  traits,
  load: () => {
    const library = zstdLibrary();
    return {
      info: { ...traits, version: library.version, library: library.version },
      open: (longDistance = false) => new ZstdSystem(library, longDistance),
    };
  },
};
