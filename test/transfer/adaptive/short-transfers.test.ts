// Short transfers from a cold start in simulated time, beside the best fixed candidate: links from 100 Mbit/s to 10 Gbit/s, three
// guests, 256 MiB to 2 GiB, as a stream and from a file.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  bestFixed,
  type HOSTS,
  type Knowledge,
  playShort,
  type ShortTransfer,
  shortTransfers,
} from '../../../lab/adaptive/short-transfers.js';

const best = new Map<string, number>();

function bestTime(transfer: ShortTransfer): number {
  const key = JSON.stringify(transfer);
  const time = best.get(key) ?? bestFixed(transfer).time;
  best.set(key, time);
  return time;
}

/** Over the best fixed candidate, with what was switched. */
function ratios(host: keyof typeof HOSTS, knowledge: Knowledge): { ratio: number; text: string }[] {
  return shortTransfers(host).map((transfer) => {
    const { time, switches } = playShort(transfer, knowledge);
    const ratio = time / bestTime(transfer);
    const path = switches.map(({ time: at, to }) => `${at}: ${to}`).join(', ');
    return { ratio, text: `${ratio.toFixed(3)}: ${JSON.stringify(transfer)}, ${path}` };
  });
}

/** The most over the best fixed candidate that any transfer may take, and all of them on average. */
const BOUNDS = [
  ['quiet', 'nothing', 1.06, 1.025],
  ['quiet', 'history', 1.06, 1.025],
  ['quiet', 'link ten times faster', 1.06, 1.025],
  ['busy', 'nothing', 1.2, 1.05],
  ['busy', 'history', 1.2, 1.05],
] as const;

describe('Controller in a short transfer', () => {
  for (const [host, knowledge, most, mean] of BOUNDS) {
    it(`takes at most ${most} of the best fixed candidate's time, ${host} host, known beforehand: ${knowledge}`, () => {
      const all = ratios(host, knowledge);
      for (const { ratio, text } of all) assert.ok(ratio <= most, text);
      const average = all.reduce((sum, { ratio }) => sum + ratio, 0) / all.length;
      assert.ok(average <= mean, `${average.toFixed(3)} on average`);
    });
  }
});
