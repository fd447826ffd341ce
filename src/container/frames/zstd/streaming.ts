// The bindings that decode zstd synchronously and piece by piece, best first: zstd-napi, then the system's libzstd.

import { loadModule } from '../../../codec/binding.js';
import type { DecompressionContext, StreamingZstd } from './binding.js';
import { systemZstd } from './system.js';

/** The part of `zstd-napi/binding` that ramferry uses. */
interface ZstdNapi {
  readonly DCtx: new () => DecompressionContext;
  readonly DParameter: { readonly windowLogMax: number };
}

const LOADERS = {
  'zstd-napi': (): StreamingZstd => {
    const { DCtx, DParameter } = loadModule('zstd-napi/binding') as ZstdNapi;
    return { open: () => new DCtx(), windowLogMax: DParameter.windowLogMax };
  },
  libzstd: systemZstd,
} as const;

export type StreamingZstdName = keyof typeof LOADERS;

export const STREAMING_ZSTD = Object.keys(LOADERS) as StreamingZstdName[];

/**
 * @param name the binding; absent = the best one that loads
 * @returns undefined when it, or all of them, are missing or do not load on this machine
 */
export function loadStreamingZstd(name?: StreamingZstdName): StreamingZstd | undefined {
  for (const each of name === undefined ? STREAMING_ZSTD : [name]) {
    try {
      return LOADERS[each]();
    } catch {
      // The next one.
    }
  }
  return undefined;
}
