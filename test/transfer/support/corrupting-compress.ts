// The compression worker on a host that cannot be trusted: one bit of what zlib makes is wrong, and one of what
// zstd-napi makes, where that is installed. The change is in this thread alone.

import { createRequire } from 'node:module';
import zlib from 'node:zlib';

const honest = zlib.deflateRawSync;

zlib.deflateRawSync = (...input: Parameters<typeof honest>): ReturnType<typeof honest> => {
  const encoded = honest(...input);
  encoded[encoded.length >> 1]! ^= 4;
  return encoded;
};

interface Native {
  readonly CCtx: { readonly prototype: { compress2(dst: Uint8Array, src: Uint8Array): number } };
}

try {
  const { prototype } = (createRequire(import.meta.url)('zstd-napi/binding') as Native).CCtx;
  const compress = Object.getOwnPropertyDescriptor(prototype, 'compress2')!
    .value as typeof prototype.compress2;
  prototype.compress2 = function (this: unknown, dst, src) {
    const length = compress.call(this, dst, src);
    dst[length >> 1]! ^= 4;
    return length;
  };
} catch {
  // The test of frames skips.
}

export { default } from '../../../workers/compress.js';
