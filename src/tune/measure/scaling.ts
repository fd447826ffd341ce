// How much faster several threads are than one, measured on a few regions with whole passes by the wall clock.

import type { Scaling } from '../model/scaling.js';
import { type Coding, CodecRig } from './codec-rig.js';
import type { Region } from './region.js';

/** Regions that the scaling is measured on. */
const SCALING_REGIONS = 8;
const SCALING_PASSES = 3;

export interface ScalingOptions {
  readonly regions: readonly Region[];
  readonly fd: number;
  /** Numbers of threads to measure, ascending, from 1. */
  readonly threads: readonly number[];
  readonly coding: Coding;
  /** When to stop, by performance.now(); the first number of threads is measured in any case. */
  readonly deadline: number;
  readonly zstdBinding?: string | undefined;
}

/** The fastest pass: seconds of both phases, and of processor time of decompression. */
interface Pass {
  readonly encode: number;
  readonly decode: number;
  readonly cpu: number;
}

/**
 * How much faster more threads are, there and back; and the seconds of processor time that decompressing a byte takes with
 * the fewest threads.
 */
export async function measureScaling(
  options: ScalingOptions,
): Promise<{ compress: Scaling; decompress: Scaling; decodePerByte: number }> {
  const regions = options.regions.slice(0, SCALING_REGIONS);
  const compress: { threads: number; speedup: number }[] = [];
  const decompress: { threads: number; speedup: number }[] = [];
  const bytes = regions.reduce((sum, { length }) => sum + length, 0);
  let one: Pass | undefined;
  for (const threads of options.threads) {
    if (performance.now() > options.deadline && one !== undefined) break;
    const best = await fastestPass(options, threads, regions);
    one ??= best;
    compress.push({ threads, speedup: one.encode / best.encode });
    decompress.push({ threads, speedup: one.decode / best.decode });
  }
  return { compress, decompress, decodePerByte: (one?.cpu ?? 0) / bytes };
}

async function fastestPass(
  { fd, zstdBinding, coding, deadline }: ScalingOptions,
  threads: number,
  regions: readonly Region[],
): Promise<Pass> {
  const rig = new CodecRig({ fd, threads, zstdBinding });
  let best: Pass = { encode: Infinity, decode: Infinity, cpu: Infinity };
  try {
    // The first pass starts the threads.
    await rig.run(coding, regions);
    for (let pass = 0; pass < SCALING_PASSES; pass++) {
      if (pass > 0 && performance.now() > deadline) break;
      const { encode, decode } = await rig.run(coding, regions);
      best = {
        encode: Math.min(best.encode, encode.wall),
        decode: Math.min(best.decode, decode.wall),
        cpu: Math.min(best.cpu, decode.cpu),
      };
    }
  } finally {
    await rig.close();
  }
  return best;
}
