// Starts pools and closes them at random moments, repeatedly in one process: a thread that is terminated while it loads a native
// module would end the process. Run by early-ends.test.ts as `node early-ends.js COUNT`; prints the outcomes.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../src/errors.js';
import { COMPRESS_ENTRY } from '../../src/os/entries.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import { TASK } from '../../src/slot/job.js';

/** Milliseconds: from a thread's start to the end of its first job. */
const LONGEST = 200;
/** Milliseconds in which koffi and a codec load. */
const LOADING = 60;
const INPUT = 64 * 1024;

const codes = new Map<string, number>();

async function endEarly(turn: number): Promise<void> {
  const pool = new OrderedPool({
    entry: COMPRESS_ENTRY,
    threads: 2,
    geometry: { slots: 2, segments: 16, headroom: 64 * 1024, input: INPUT, output: 4 * INPUT },
    startUp: { maxChunk: INPUT, fd: -1, alignment: 1, zstdBinding: '' },
  });
  try {
    for (let job = 0; job < 2; job++) {
      const slot = await pool.acquire();
      const { encode } = pool.slots[slot]!;
      encode.begin();
      encode.task = TASK.frame;
      // A watched job reads its thread's clock through koffi.
      encode.watched = true;
      encode.codec = 'zstd';
      encode.level = 1;
      encode.inputLength = INPUT;
      encode.sequence = job;
      pool.push(slot);
    }
    // Three times of four a thread has loaded its modules and begins with its task.
    if (turn % 4 !== 0) await once(pool.threads[0]!, 'message');
    await sleep(Math.random() * (turn % 4 !== 0 ? LOADING : LONGEST));
    pool.fail(new RamferryError('ERR_LINK_CLOSED', 'the peer has gone'));
    await pool.next();
  } catch (thrown) {
    const code = thrown instanceof RamferryError ? thrown.code : String(thrown);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  } finally {
    await pool.close();
  }
}

for (let turn = 0; turn < Number(process.argv[2]); turn++) await endEarly(turn);
process.stdout.write(`${JSON.stringify(Object.fromEntries(codes))}\n`);
