// A worker for the pool's tests: its jobs succeed, wait, fail, hang or end the thread, as their numbers say.

import { RamferryError } from '../../src/errors.js';
import type { SlotViews } from '../../src/slot/layout.js';
import type { WorkerStartUp } from '../../src/slot/start-up.js';
import { serve } from '../../workers/serve.js';
import { BEGUN, DEED } from './deeds.js';

const never = new Int32Array(new SharedArrayBuffer(4));

async function job(slot: SlotViews): Promise<void> {
  const { encode } = slot;
  encode.usedLevel = BEGUN;
  // A long job blocks the event loop, as a codec does.
  Atomics.wait(never, 0, 0, encode.level);
  switch (encode.task) {
    case DEED.fail:
      throw new RamferryError('ERR_STREAM_CODEC', 'this one is bad', { hint: 'never mind' });
    case DEED.crash:
      throw new TypeError('a mistake of ours');
    case DEED.hang:
      Atomics.wait(never, 0, 0);
      break;
    case DEED.later:
      await new Promise((resolve) => setTimeout(resolve, 2));
      break;
    case DEED.hoard:
      for (const hoard: number[][] = []; ;) hoard.push(new Array<number>(100_000).fill(hoard.length + 0.5));
    case DEED.leave:
      process.exit(3);
  }
  slot.output.writeDoubleLE(encode.sequence, 0);
  encode.outputLength = 8;
}

export { started } from '../../workers/serve.js';

export default function oddJobs(startUp: WorkerStartUp): Promise<void> {
  return serve(startUp, { job });
}
