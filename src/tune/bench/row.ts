// One row of `bench`: a coding on some regions, warmed up, repeated, and reported at its best.

import { GIB } from '../../units.js';
import type { Measurements } from '../measure/measurements.js';
import type { BenchRow, Speed } from './result.js';
import type { Region } from '../measure/region.js';
import type { Coding, Phase, CodecRig } from '../measure/codec-rig.js';

/** @param measurements collects the figures of every region; undefined = they are not kept */
export async function benchRow(
  rig: CodecRig,
  coding: Coding,
  regions: readonly Region[],
  repetitions: number,
  measurements: Measurements | undefined,
): Promise<BenchRow> {
  const bytes = regions.reduce((sum, { length }) => sum + length, 0);
  const encodes: Phase[] = [];
  const decodes: Phase[] = [];
  let wire = 0;
  // The first pass compiles and allocates.
  await rig.run(coding, regions.slice(0, Math.min(2 * rig.threads, regions.length)));
  for (let pass = 0; pass < repetitions; pass++) {
    const { figures, encode, decode } = await rig.run(coding, regions);
    encodes.push(encode);
    decodes.push(decode);
    wire = figures.reduce((sum, { wireBytes }) => sum + wireBytes, 0);
    measurements?.add(coding, 0, figures);
  }
  return {
    ...coding,
    threads: rig.threads,
    ratio: bytes / wire,
    compress: speed(encodes, bytes),
    decompress: speed(decodes, bytes),
    compressCpuPerGiB: leastCpu(encodes) / (bytes / GIB),
    decompressCpuPerGiB: leastCpu(decodes) / (bytes / GIB),
  };
}

function speed(phases: readonly Phase[], bytes: number): Speed {
  const walls = phases.map(({ wall }) => wall);
  return { best: bytes / Math.min(...walls), spread: Math.max(...walls) / Math.min(...walls) - 1 };
}

function leastCpu(phases: readonly Phase[]): number {
  return Math.min(...phases.map(({ cpu }) => cpu));
}
