// zstd through Node's own zlib module, which has it from 22.15 (and 23.8) on: nothing to install, and synchronous, but every
// call makes a context and returns a buffer. https://nodejs.org/api/zlib.html#class-zstdoptions

import { toRamferryError } from '../errors.js';
import { loadModule, type Binding, type LoadedBinding } from './binding.js';
import type { ZstdCodec } from './codec.js';
import { copyIfFits, returnedBuffers } from './copy.js';
import { checkLevel, ZSTD_LEVELS } from './level.js';
import { isTooLarge } from './zlib.js';
import { checkChunkFrame, rewrapFrame, ZSTD_CONTENT_MAX } from './zstd-chunk.js';
import { zstdContexts } from './zstd-memory.js';
import { zstdParameters } from './zstd-parameters.js';
import { KIB } from '../units.js';

interface ZstdOptions {
  readonly params?: Readonly<Record<number, number>>;
  readonly maxOutputLength: number;
  readonly chunkSize: number;
}

/** The used part of node:zlib; Node 20 has none of it. */
export interface NodeZstd {
  zstdCompressSync(data: Uint8Array, options: ZstdOptions): Buffer;
  zstdDecompressSync(data: Uint8Array, options: ZstdOptions): Buffer;
}

/** Output is gathered in pieces of this size, then joined; Node's minimum is 64. */
const PIECE_BYTES = 64 * KIB;
const MIN_PIECE_BYTES = 64;
/** A streaming encoder may write a header some bytes longer than a chunk's. */
const HEADER_MARGIN_BYTES = 16;

const traits = {
  codec: 'zstd',
  binding: 'node:zlib',
  direct: false,
  asynchronous: false,
  returnsBuffers: true,
  levels: ZSTD_LEVELS,
  longDistance: true,
  // The streaming interface keeps its own window and output buffers: up to two windows beside the context.
  memoryPerThread: (level: number, size: number, longDistance = false) =>
    zstdContexts(level, size, longDistance) + 2 * size + returnedBuffers(2 * size + PIECE_BYTES),
} as const;

class ZstdNode implements ZstdCodec {
  readonly name = 'zstd';
  readonly binding = traits.binding;
  readonly #native: NodeZstd;
  readonly #longDistance: boolean;

  constructor(native: NodeZstd, longDistance: boolean) {
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
    let decoded: Buffer;
    try {
      decoded = this.#native.zstdDecompressSync(src, {
        maxOutputLength: Math.max(dst.length, 1),
        chunkSize: pieceFor(dst.length),
      });
    } catch (thrown) {
      throw toRamferryError(thrown, 'ERR_STREAM_CODEC', 'zstd frame is damaged');
    }
    if (copyIfFits(dst, decoded) !== dst.length) {
      throw toRamferryError(`${decoded.length} bytes`, 'ERR_STREAM_CODEC', 'zstd frame has another length');
    }
  }

  close(): void {
    // Each call has its own context.
  }

  #encode(dst: Uint8Array, src: Uint8Array, level: number, checksum: boolean): number {
    checkLevel('zstd', level, ZSTD_LEVELS);
    if (level === 0 || src.length > ZSTD_CONTENT_MAX) return -1;
    const request = { level, size: src.length, checksum, longDistance: this.#longDistance };
    const room = dst.length + HEADER_MARGIN_BYTES;
    try {
      const frame = this.#native.zstdCompressSync(src, {
        // A new context has what is not set.
        params: Object.fromEntries(zstdParameters(request).filter(([, value]) => value !== 0)),
        maxOutputLength: room,
        chunkSize: pieceFor(room),
      });
      return rewrapFrame(dst, frame, src.length);
    } catch (thrown) {
      if (isTooLarge(thrown)) return -1;
      throw toRamferryError(thrown, 'ERR_INTERNAL', 'zstd');
    }
  }
}

function pieceFor(size: number): number {
  return Math.min(Math.max(size, MIN_PIECE_BYTES), PIECE_BYTES);
}

/** The binding over a loaded module. */
export function zstdNodeFrom(native: NodeZstd): LoadedBinding<ZstdCodec> {
  return {
    info: { ...traits, version: process.versions.node, library: process.versions['zstd'] },
    open: (longDistance = false) => new ZstdNode(native, longDistance),
  };
}

export const zstdNode: Binding<ZstdCodec> = {
  traits,
  load: () => {
    const native = loadModule('node:zlib') as Partial<NodeZstd>;
    if (native.zstdCompressSync === undefined) {
      throw new Error(`Node ${process.versions.node} has no zstd; 22.15 has`);
    }
    return zstdNodeFrom(native as NodeZstd);
  },
};
