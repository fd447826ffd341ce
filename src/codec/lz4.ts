// Codec `lz4` through the package lz4-napi (Rust, lz4_flex): one LZ4 block, without a size in front of it.
// The format is https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. A block has no checksum: a damaged one may
// decode to wrong bytes of the right length, which the chunk's own checksums find.

import { RamferryError, toRamferryError } from '../errors.js';
import { loadModule, packageVersion, type Binding } from './binding.js';
import type { Codec } from './codec.js';
import { asBuffer, copyIfFits, returnedBuffers } from './copy.js';
import { checkLevel } from './level.js';

/** The used part of the package. Its blocks have the decoded length in front: 4 bytes, little-endian. */
interface Lz4Napi {
  compressSync(data: Buffer): Buffer;
  uncompressSync(data: Uint8Array): Buffer;
}

/** Bytes of the decoded length in front of a block. The receiver knows the length, so it does not travel. */
const PREFIX_BYTES = 4;

/** Longest LZ4 block that `size` bytes can need (LZ4_COMPRESSBOUND of lz4.h). */
function lz4Bound(size: number): number {
  return size + Math.floor(size / 255) + 16;
}

const traits = {
  codec: 'lz4',
  binding: 'lz4-napi',
  direct: false,
  asynchronous: false,
  returnsBuffers: true,
  levels: { min: 0, max: 9, default: 1, effective: false },
  longDistance: false,
  // lz4_flex asks for 1.1 times the input; the decoder's copy of the encoded bytes; the encoder's hash table.
  memoryPerThread: (_level: number, size: number) =>
    returnedBuffers(Math.ceil(size * 1.1) + 32) + lz4Bound(size) + PREFIX_BYTES + 65536,
} as const;

class Lz4 implements Codec {
  readonly name = 'lz4';
  readonly binding = traits.binding;
  #scratch = Buffer.alloc(0);
  readonly #native: Lz4Napi;

  constructor(native: Lz4Napi) {
    this.#native = native;
  }

  /** Every level above 0 is the same. */
  compress(dst: Uint8Array, src: Uint8Array, level: number): number {
    checkLevel('lz4', level, traits.levels);
    if (level === 0) return -1;
    return copyIfFits(dst, this.#native.compressSync(asBuffer(src)).subarray(PREFIX_BYTES));
  }

  decompress(dst: Uint8Array, src: Uint8Array): void {
    if (src.length > lz4Bound(dst.length)) {
      throw new RamferryError(
        'ERR_STREAM_CODEC',
        `lz4 block of ${src.length} bytes is longer than ${dst.length} bytes can ever need`,
      );
    }
    // The native code allocates what the prefix says: the prefix is written here and never comes from the sender.
    const block = this.#withPrefix(dst.length, src);
    let decoded: Buffer;
    try {
      decoded = this.#native.uncompressSync(block);
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'lz4 block is damaged');
    }
    if (decoded.length !== dst.length) {
      throw new RamferryError(
        'ERR_STREAM_CODEC',
        `lz4 block holds ${decoded.length} bytes, not the ${dst.length} that were announced`,
      );
    }
    dst.set(decoded);
  }

  close(): void {
    this.#scratch = Buffer.alloc(0);
  }

  #withPrefix(size: number, src: Uint8Array): Buffer {
    const length = PREFIX_BYTES + src.length;
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(length);
    this.#scratch.writeUInt32LE(size, 0);
    this.#scratch.set(src, PREFIX_BYTES);
    return this.#scratch.subarray(0, length);
  }
}

export const lz4: Binding = {
  traits,
  load: () => {
    const native = loadModule('lz4-napi') as Lz4Napi;
    return {
      info: { ...traits, version: packageVersion('lz4-napi'), library: undefined },
      open: () => new Lz4(native),
    };
  },
};
