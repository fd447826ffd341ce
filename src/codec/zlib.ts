// Codec `zlib` through Node's own zlib: raw DEFLATE (RFC 1951), without the zlib wrapper and its Adler-32, because the
// chunk has its own checksums. The decoded length, which the caller knows, bounds the memory.

import type * as NodeZlib from 'node:zlib';
import { RamferryError, toRamferryError } from '../errors.js';
import { loadModule, type Binding } from './binding.js';
import type { Codec } from './codec.js';
import { copyIfFits, returnedBuffers } from './copy.js';
import { checkLevel } from './level.js';
import { KIB } from '../units.js';

/** The result of the synchronous functions with `info: true`. */
interface WithEngine {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** Node's smallest chunkSize. */
const MIN_CHUNK = 64;
/** Output is gathered in pieces of this size, then joined. */
const PIECE = 64 * KIB;

const traits = {
  codec: 'zlib',
  binding: 'node:zlib',
  direct: false,
  asynchronous: false,
  returnsBuffers: true,
  levels: { min: 0, max: 9, default: 1, effective: true },
  longDistance: false,
  // A deflate state is 268 KB (zconf.h: (1 << (windowBits + 2)) + (1 << (memLevel + 9))), an inflate state 44 KB;
  // besides the joined result there are its pieces.
  memoryPerThread: (_level: number, size: number) => returnedBuffers(2 * size + PIECE) + 512 * KIB,
} as const;

class Zlib implements Codec {
  readonly name = 'zlib';
  readonly binding = traits.binding;
  readonly #native: typeof NodeZlib;

  constructor(native: typeof NodeZlib) {
    this.#native = native;
  }

  compress(dst: Uint8Array, src: Uint8Array, level: number): number {
    checkLevel('zlib', level, traits.levels);
    if (level === 0 || dst.length === 0) return -1;
    try {
      const encoded = this.#native.deflateRawSync(src, {
        level,
        maxOutputLength: dst.length,
        chunkSize: pieceFor(dst.length),
      });
      return copyIfFits(dst, encoded);
    } catch (thrown) {
      if (isTooLarge(thrown)) return -1;
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zlib');
    }
  }

  decompress(dst: Uint8Array, src: Uint8Array): void {
    const { buffer, engine } = this.#inflate(src, dst.length);
    if (buffer.length !== dst.length) throw wrongLength(`only ${buffer.length}`, dst.length);
    // zlib stops at the end of the DEFLATE data and does not report bytes behind it.
    if (engine.bytesWritten !== src.length) {
      throw new RamferryError(
        'ERR_STREAM_CODEC',
        `zlib data has ${src.length - engine.bytesWritten} bytes left over behind its end`,
      );
    }
    dst.set(buffer);
  }

  close(): void {
    // Each call has its own state.
  }

  #inflate(src: Uint8Array, size: number): WithEngine {
    try {
      return this.#native.inflateRawSync(src, {
        maxOutputLength: Math.max(size, 1),
        chunkSize: pieceFor(size),
        info: true,
      }) as unknown as WithEngine;
    } catch (thrown) {
      if (isTooLarge(thrown)) throw wrongLength('more', size);
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'zlib data is damaged');
    }
  }
}

function pieceFor(size: number): number {
  return Math.min(Math.max(size, MIN_CHUNK), PIECE);
}

function wrongLength(found: string, expected: number): RamferryError {
  return new RamferryError(
    'ERR_STREAM_CODEC',
    `zlib data holds ${found} bytes, not the ${expected} that were announced`,
  );
}

/** Node's error for output beyond maxOutputLength. */
export function isTooLarge(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_BUFFER_TOO_LARGE';
}

export const zlib: Binding = {
  traits,
  load: () => {
    const native = loadModule('node:zlib') as typeof NodeZlib;
    return {
      info: { ...traits, version: process.versions.node, library: process.versions.zlib },
      open: () => new Zlib(native),
    };
  },
};
