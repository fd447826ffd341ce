// zstd through @mongodb-js/zstd 1.2: prebuilt inside the registry package, so that it installs everywhere, but asynchronous on
// libuv's pool, and it returns buffers. Its wrapper ignores the level and its frames leave the content size out: this file calls
// its bindings and writes the header itself. Its decoder expands any frame: frames are checked before.

import { toRamferryError } from '../errors.js';
import { MIB } from '../units.js';
import { loadModule, packageVersion, type Binding } from './binding.js';
import type { ZstdCodec } from './codec.js';
import { asBuffer, copyIfFits, returnedBuffers } from './copy.js';
import { checkLevel, ZSTD_LEVELS } from './level.js';
import { checkChunkFrame, checkDecodedLength, rewrapFrame, ZSTD_CONTENT_MAX } from './zstd-chunk.js';
import { zstdContexts } from './zstd-memory.js';

/** `@mongodb-js/zstd/bindings`. */
interface Native {
  compress(data: Buffer, level: number): Promise<Buffer>;
  decompress(data: Buffer): Promise<Buffer>;
}

/** The used part of @node-rs/xxhash. */
interface XxHash {
  readonly xxh64: (data: Uint8Array) => bigint;
}

/** The package does not name it; its Rust crate (zstd-safe 5.0.2+zstd.1.5.2) does. */
const LIBRARY = '1.5.2';

/** Windows of zstd 1.5.2's levels up to 19, and its buffers. */
const STREAM_BUFFER_BYTES = 9 * MIB;

const traits = {
  codec: 'zstd',
  binding: '@mongodb-js/zstd',
  direct: false,
  asynchronous: true,
  returnsBuffers: true,
  levels: ZSTD_LEVELS,
  longDistance: false,
  // The encoder does not know the size, so it takes the parameters of the largest inputs. Results grow by doubling.
  memoryPerThread: (level: number, size: number) =>
    zstdContexts(level, Infinity) + STREAM_BUFFER_BYTES + returnedBuffers(2 * size),
} as const;

class ZstdMongodb implements ZstdCodec {
  readonly name = 'zstd';
  readonly binding = traits.binding;
  #hash: XxHash | undefined;
  readonly #native: Native;

  constructor(native: Native) {
    this.#native = native;
  }

  async compress(dst: Uint8Array, src: Uint8Array, level: number): Promise<number> {
    const frame = await this.#encode(src, level);
    return frame === undefined ? -1 : rewrapFrame(dst, frame, src.length);
  }

  async compressFrame(dst: Uint8Array, src: Uint8Array, level: number): Promise<number> {
    const frame = await this.#encode(src, level);
    return frame === undefined ? -1 : rewrapFrame(dst, frame, src.length, this.#contentChecksum(src));
  }

  async decompress(dst: Uint8Array, src: Uint8Array): Promise<void> {
    checkChunkFrame(src, dst.length);
    let decoded: Buffer;
    try {
      decoded = await this.#native.decompress(asBuffer(src));
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'zstd frame is damaged');
    }
    checkDecodedLength(decoded.length, dst.length);
    copyIfFits(dst, decoded);
  }

  close(): void {
    // Each call has its own context.
  }

  async #encode(src: Uint8Array, level: number): Promise<Buffer | undefined> {
    checkLevel('zstd', level, ZSTD_LEVELS);
    if (level === 0 || src.length > ZSTD_CONTENT_MAX) return undefined;
    try {
      return await this.#native.compress(asBuffer(src), level);
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zstd');
    }
  }

  /** RFC 8878, 3.1.1: the low 4 bytes of the XXH64 of the content, little-endian. */
  #contentChecksum(src: Uint8Array): Uint8Array {
    this.#hash ??= loadModule('@node-rs/xxhash') as XxHash;
    const low = Number(this.#hash.xxh64(asBuffer(src)) & 0xffffffffn);
    return Uint8Array.of(low & 255, (low >>> 8) & 255, (low >>> 16) & 255, low >>> 24);
  }
}

export const zstdMongodb: Binding<ZstdCodec> = {
  traits,
  load: () => {
    const native = loadModule('@mongodb-js/zstd/bindings') as Native;
    return {
      info: { ...traits, version: packageVersion('@mongodb-js/zstd'), library: LIBRARY },
      open: () => new ZstdMongodb(native),
    };
  },
};
