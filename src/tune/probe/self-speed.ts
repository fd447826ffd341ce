// How fast this host decompresses, on memory that is the same everywhere: made from a seed, compressed and decompressed by
// the real workers. Two hosts that measure it can be compared without a byte of a guest's memory between them.

import fs from 'node:fs';
import { join } from 'node:path';

import { writeImage } from '../../image/image.js';
import { allowedCpus } from '../../os/processor/cpus.js';
import { REFERENCE } from '../measure/measurements.js';
import { measureScaling } from '../measure/scaling.js';
import type { Speed } from './messages.js';
import { REGION_BYTES } from '../measure/region.js';
import { sampleImage } from '../measure/sample.js';
import { threadSteps } from '../advice/recommend.js';
import { makeScratch } from '../../io/file/scratch.js';

/** Regions of the test memory: 32 MiB, the same on all hosts. */
const REGIONS = 8;
const SEED = 1;

export interface SelfSpeedOptions {
  /** Milliseconds after which no further number of threads is measured. */
  readonly time: number;
  /** Most threads to measure; default: as many as there are CPUs. */
  readonly threads?: number;
  readonly zstdBinding?: string | undefined;
}

export async function selfSpeed(options: SelfSpeedOptions): Promise<Speed> {
  const deadline = performance.now() + options.time;
  const directory = makeScratch('ramferry-speed-');
  const clean = (): void => fs.rmSync(directory, { recursive: true, force: true });
  process.once('exit', clean);
  const path = join(directory, 'image');
  let fd = -1;
  try {
    const bytes = REGIONS * REGION_BYTES;
    await writeImage(path, { bytes, seed: SEED, profile: 'busy' });
    fd = fs.openSync(path, 'r');
    const { regions } = sampleImage(fd, bytes, { seed: SEED, regions: REGIONS, lookTime: 0 });
    const cpus = allowedCpus();
    const { decompress, decodePerByte } = await measureScaling({
      regions,
      fd,
      threads: threadSteps(Math.min(cpus, options.threads ?? cpus)),
      coding: REFERENCE,
      deadline,
      zstdBinding: options.zstdBinding,
    });
    return { cpus, decodePerByte, scaling: [...decompress] };
  } finally {
    if (fd >= 0) fs.closeSync(fd);
    clean();
    process.off('exit', clean);
  }
}
