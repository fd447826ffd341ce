// `ramferry migrate` and `incoming` with a real QEMU guest under load, again and again. By hand:
//
//   node dist/bench/shared-memory/main.js [--migrations 20] [--kills 50] [--seed 1] [--memory-mib 128]
//     [--reconnect 10s] [--load 'dirty 16 64'] [-- OPTIONS OF MIGRATE]
//
// The first part migrates one guest from QEMU to QEMU and compares all RAM at the handover. The second kills, at random
// moments, ramferry at either side, the link, or the destination's QEMU, and then checks which guest runs. Standard error
// has a line for every run. --load is the guest's load: `dirty 16 64` rewrites 10 MiB a second, `lines …` cache lines.

import { parseArgs } from 'node:util';

import { missingForLive } from '../../lab/qemu/machine.js';
import { Mulberry32 } from '../../lab/random.js';
import { Herd, type Passage } from './herd.js';
import { KILLS, killOne, type Killed } from './kills.js';

const missing = missingForLive();
if (missing !== false) {
  console.error(`shared-memory: ${missing}`);
  process.exit(2);
}
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    migrations: { type: 'string', default: '20' },
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    'memory-mib': { type: 'string', default: '128' },
    reconnect: { type: 'string' },
    load: { type: 'string', default: 'dirty 16 64' },
  },
});
const both = values.reconnect === undefined ? [] : ['--reconnect', values.reconnect];
const herd = new Herd(Number(values['memory-mib']), values.load, both);
let status = 0;
try {
  await migrations(Number(values.migrations));
  await kills(Number(values.kills), Number(values.seed));
} finally {
  await herd.dispose();
}
process.exit(status);

async function migrations(times: number): Promise<void> {
  if (times === 0) return;
  const passages: Passage[] = [];
  let good = 0;
  for (let turn = 1; turn <= times; turn++) {
    try {
      const passage = await herd.passOn(['--verify-ram', ...positionals]);
      passages.push(passage);
      good++;
      const { total, downtime, lastRound, finalScan, rounds, linkBytes } = passage;
      console.error(
        `${turn} of ${times}: total ${total} ms, downtime ${downtime} ms (STOP to RESUME ${passage.seen.toFixed(0)} ms), ` +
          `last round ${lastRound} ms, final scan ${finalScan} ms a GiB, ${rounds} rounds, ` +
          `${(linkBytes / 1e6).toFixed(2)} MB for ${passage.sentPages} pages that are not zero, ${passage.delta} of them deltas, ${passage.same} unchanged`,
      );
    } catch (thrown) {
      console.error(`${turn} of ${times}: ${String(thrown)}`);
      await herd.restart();
    }
  }
  if (good < times) status = 1;
  const median = (pick: (passage: Passage) => number): string => {
    const sorted = passages.map(pick).sort((one, other) => one - other);
    return (sorted[Math.floor(sorted.length / 2)] ?? NaN).toFixed(0);
  };
  console.log(
    `${good} of ${times} migrations under load, RAM identical at the handover, the guest counts on; medians: ` +
      `${median((p) => p.linkBytes / 1e3)} kB for ${median((p) => p.sentPages)} pages, total ${median((p) => p.total)} ms, downtime ${median((p) => p.downtime)} ms, STOP to RESUME ${median((p) => p.seen)} ms, ` +
      `final scan ${median((p) => p.finalScan)} ms a GiB`,
  );
}

async function kills(times: number, seed: number): Promise<void> {
  if (times === 0) return;
  const all: Killed[] = [];
  const random = new Mulberry32(seed);
  for (let turn = 0; turn < times; turn++) {
    const killed = await killOne(herd, KILLS[turn % KILLS.length]!, () => random.unit());
    all.push(killed);
    console.error(`${turn + 1} of ${times}: ${killed.what} ${killed.moment}: ${killed.outcome}`);
    if (killed.wrong !== undefined) {
      status = 1;
      console.error(`WRONG: ${killed.wrong}`);
    }
  }
  const count = (outcome: Killed['outcome']): number => all.filter((each) => each.outcome === outcome).length;
  console.log(
    `${times} kills: ${all.filter(({ wrong }) => wrong !== undefined).length} wrong; ` +
      `the source went on ${count('source')}, handed over ${count('destination')}, unknown and said so ${count('unknown')}; ` +
      `killed before anything was done to the destination's QEMU ${all.filter(({ untouched }) => untouched).length}`,
  );
}
