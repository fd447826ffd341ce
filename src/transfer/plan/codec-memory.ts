// Memory of the codecs that this installation has: what a receiver must reckon with, since the sender chooses.

import { usableCodecs } from '../../codec/features.js';
import { bindingInfo } from '../../codec/registry.js';

/** Memory that the most expensive codec takes in one thread. */
export function codecBytes(
  settings: { readonly zstdBinding?: string | undefined },
  chunkSize: number,
): number {
  const { zstdBinding: binding } = settings;
  const needs = usableCodecs().map((codec) =>
    bindingInfo(codec, codec === 'zstd' ? { binding } : {}).memoryPerThread(1, chunkSize),
  );
  return Math.max(...needs);
}
