// Memory of the installed codecs. The sender chooses the codec, so a receiver plans for the most expensive one.
// A codec is loaded only where its memory decides: of those that cannot be the most expensive one, the files are not touched.

import type { CodecName } from '../../codec/codec.js';
import { BINDINGS, bindingInfo } from '../../codec/registry.js';

/** All codecs: those of Node itself first, then zstd, which nearly every stream needs. */
const CODECS = ['none', 'zlib', 'zstd', 'lz4'] as const satisfies readonly CodecName[];
true satisfies Exclude<CodecName, (typeof CODECS)[number]> extends never ? true : false;

/** Most bytes that any codec can take in one thread, installed or not. Loads none. */
export function anyCodecBytes(chunkSize: number): number {
  return Math.max(...CODECS.map((codec) => atMost(codec, chunkSize)));
}

function atMost(codec: CodecName, chunkSize: number): number {
  return Math.max(...BINDINGS[codec].map(({ traits }) => traits.memoryPerThread(1, chunkSize)));
}

/** Bytes that the most expensive installed codec takes in one thread. */
export function codecBytes(
  settings: { readonly zstdBinding?: string | undefined },
  chunkSize: number,
): number {
  const { zstdBinding: binding } = settings;
  let most = 0;
  for (const codec of CODECS) {
    if (atMost(codec, chunkSize) <= most) continue;
    most = Math.max(most, installedBytes(codec, chunkSize, codec === 'zstd' ? binding : undefined));
  }
  return most;
}

/** 0 for a codec that cannot be loaded here. */
function installedBytes(codec: CodecName, chunkSize: number, binding: string | undefined): number {
  try {
    return bindingInfo(codec, { binding }).memoryPerThread(1, chunkSize);
  } catch {
    return 0;
  }
}
