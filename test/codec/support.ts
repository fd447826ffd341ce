// What the codec tests share: the bindings that run here, shared memory, and the golden input.

import { BINDINGS, openCodec, openZstd } from '../../src/codec/registry.js';
import { CODEC_NAMES, type Codec, type CodecName, type ZstdCodec } from '../../src/codec/codec.js';

export interface Candidate {
  readonly codec: CodecName;
  readonly binding: string;
  readonly open: () => Codec;
}

/** Every codec × binding that loads on this machine. */
export const candidates: readonly Candidate[] = CODEC_NAMES.flatMap((codec) =>
  BINDINGS[codec].flatMap((each) => {
    try {
      each.load();
    } catch {
      return [];
    }
    return [
      { codec, binding: each.traits.binding, open: () => openCodec(codec, { binding: each.traits.binding }) },
    ];
  }),
);

export const zstdBindings: readonly (readonly [string, () => ZstdCodec])[] = candidates
  .filter(({ codec }) => codec === 'zstd')
  .map(({ binding }) => [binding, () => openZstd({ binding })]);

/** A copy in shared memory, at an odd offset so that nothing may rely on alignment or on offset 0. */
export function shared(bytes: Uint8Array): Uint8Array {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 9), 5, bytes.length);
  view.set(bytes);
  return view;
}

export function sharedRoom(length: number): Uint8Array {
  return shared(new Uint8Array(length));
}

/** Room that every codec fits into. */
export function roomFor(length: number): Uint8Array {
  return sharedRoom(length + Math.ceil(length / 100) + 1024);
}

/** 32-bit xorshift: incompressible, the same for ever. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

/** Compressible and not trivial: counters, runs and words, as guest memory has. */
export function memoryLike(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    const kind = (i >> 8) & 3;
    if (kind === 0) return 0;
    if (kind === 1) return (i >> 3) & 255;
    return kind === 2 ? 'guest memory of a machine '.charCodeAt(i % 26) : (i * i) & 255;
  });
}
