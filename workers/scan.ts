// The scan worker: takes extents of a guest's RAM off the ring and reports the pages that differ from what was sent before.
// It hashes the copy in the slot, which is what travels: the guest may write to the live page meanwhile.

import { xxh64 } from '../src/chunk/xxhash.js';
import { readExactlyAt } from '../src/io/file/positioned.js';
import { PAGE_BYTES } from '../src/page/size.js';
import { BLOCK_PAGES, SCAN_MODE } from '../src/slot/scan-job.js';
import type { ScanStartUp } from '../src/slot/start-up.js';
import type { JobWorker } from '../src/slot/job-worker.js';
import type { SlotViews } from '../src/slot/layout.js';
import { serve } from './serve.js';

const BLOCK_BYTES = BLOCK_PAGES * PAGE_BYTES;

class Scanner implements JobWorker {
  readonly #hashes: BigUint64Array;
  readonly #blocks: BigUint64Array;
  readonly #seed: bigint;

  constructor({ hashes, blocks, seed }: ScanStartUp) {
    this.#hashes = new BigUint64Array(hashes);
    this.#blocks = new BigUint64Array(blocks);
    this.#seed = seed;
  }

  job(slot: SlotViews): Promise<void> {
    const { input, scan } = slot;
    const blocks = this.#blocks;
    const { inputLength: length, mode, firstBlock } = scan;
    readExactlyAt(scan.fd, input.subarray(0, length), scan.readAt);
    let changed = 0;
    for (let block = 0; block * BLOCK_BYTES < length; block++) {
      const from = block * BLOCK_BYTES;
      const to = Math.min(from + BLOCK_BYTES, length);
      const hash = xxh64(input.subarray(from, to), this.#seed);
      if (mode !== SCAN_MODE.all && hash === blocks[firstBlock + block]) continue;
      if (mode !== SCAN_MODE.compare) blocks[firstBlock + block] = hash;
      changed = this.#pages(slot, from / PAGE_BYTES, to / PAGE_BYTES, changed);
    }
    scan.changed = changed;
    return Promise.resolve();
  }

  /** The pages of one block. @returns how many of the extent have changed with them */
  #pages({ input, scan, segments }: SlotViews, from: number, to: number, before: number): number {
    const hashes = this.#hashes;
    const { mode, firstPage: first } = scan;
    let changed = before;
    for (let page = from; page < to; page++) {
      const at = page * PAGE_BYTES;
      const hash = xxh64(input.subarray(at, at + PAGE_BYTES), this.#seed);
      if (mode !== SCAN_MODE.all && hash === hashes[first + page]) continue;
      if (mode !== SCAN_MODE.compare) {
        hashes[first + page] = hash;
        if (changed !== page) input.copyWithin(changed * PAGE_BYTES, at, at + PAGE_BYTES);
      }
      segments[changed++] = page;
    }
    return changed;
  }
}

export { started } from './serve.js';

export default function scan(startUp: ScanStartUp): Promise<void> {
  return serve(startUp, new Scanner(startUp));
}
