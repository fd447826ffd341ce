// Memory of the installed codecs. The sender chooses the codec, so a receiver plans for the most expensive one.

import { usableCodecs } from '../../codec/features.js';
import { bindingInfo } from '../../codec/registry.js';

/** Bytes that the most expensive installed codec takes in one thread. */
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
