// Codec `none`: the bytes as they are. For links that are faster than any codec, and as a baseline.

import { RamferryError } from '../errors.js';
import type { Binding } from './binding.js';
import type { Codec } from './codec.js';
import { copyIfFits } from './copy.js';
import { checkLevel } from './level.js';

const traits = {
  codec: 'none',
  binding: 'builtin',
  direct: true,
  asynchronous: false,
  returnsBuffers: false,
  levels: { min: 0, max: 9, default: 1, effective: false },
  longDistance: false,
  memoryPerThread: () => 0,
} as const;

class None implements Codec {
  readonly name = 'none';
  readonly binding = traits.binding;

  /** Every level does the same, also 0. */
  compress(dst: Uint8Array, src: Uint8Array, level: number): number {
    checkLevel('none', level, traits.levels);
    return copyIfFits(dst, src);
  }

  decompress(dst: Uint8Array, src: Uint8Array): void {
    if (src.length !== dst.length) {
      throw new RamferryError(
        'ERR_STREAM_CODEC',
        `stored bytes have length ${src.length}, not the ${dst.length} that were announced`,
      );
    }
    dst.set(src);
  }

  close(): void {
    // Holds nothing.
  }
}

export const none: Binding = {
  traits,
  load: () => ({
    info: { ...traits, version: process.versions.node, library: undefined },
    open: () => new None(),
  }),
};
