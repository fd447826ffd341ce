// Codec `none` through a unix socket, file to file, two processes, beside the simplest relay in Node (relay.ts): the cost
// of the engine without compression. Both times begin at the connection and end with the receiver's message that it has
// everything, so the start of the processes is left out.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import { repeated } from '../support/files.js';
import { Command, ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { round, type Suite } from '../support/suite.js';

const PAIRS = 7;
const BYTES = 2 * 1024 ** 3;
const RELAY = new URL('relay.js', import.meta.url).pathname;

interface Trip {
  readonly seconds: number;
  readonly cpu: number;
}

interface Summary {
  readonly 'total-time': number;
  readonly 'setup-time': number;
}

async function engine(file: string, socket: string, output: string): Promise<Trip> {
  const before = childrenCpu();
  const receiver = new Command(
    ramferry('receive', '--json', '--quiet', '--force', `unix-listen:${socket}`, output),
  );
  await receiver.says(/listening/);
  const { stdout } = await run(
    ramferry(
      'send',
      '--json',
      '--quiet',
      '--codec',
      'none',
      '--compress-threads',
      '2',
      file,
      `unix:${socket}`,
    ),
  );
  await receiver.succeeded();
  const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as Summary;
  return { seconds: (summary['total-time'] - summary['setup-time']) / 1e3, cpu: childrenCpu() - before };
}

async function relay(file: string, socket: string, output: string): Promise<Trip> {
  const before = childrenCpu();
  const receiver = new Command([process.execPath, RELAY, 'listen', socket, output]);
  await receiver.says(/listening/);
  const { stdout } = await run([process.execPath, RELAY, 'connect', socket, file]);
  await receiver.succeeded();
  return { seconds: Number(stdout), cpu: childrenCpu() - before };
}

export const socket: Suite = {
  name: 'socket',
  summary: 'codec none through a unix socket, beside the simplest relay in Node',
  run: async ({ image, scratch, report }) => {
    const file = repeated(image, Math.max(BYTES, statSync(image).size), scratch);
    const { size } = statSync(file);
    const place = join(scratch, 'relay.sock');
    const output = join(scratch, 'relayed.ram');
    const trips: { engine: Trip; relay: Trip }[] = [];
    const ways = { engine, relay };
    for (let pair = 0; pair < PAIRS; pair++) {
      const trip = {} as Record<'engine' | 'relay', Trip>;
      for (const way of pair % 2 === 0 ? (['engine', 'relay'] as const) : (['relay', 'engine'] as const)) {
        trip[way] = await ways[way](file, place, output);
        rmSync(output);
        rmSync(place, { force: true });
      }
      trips.push(trip);
    }
    const of = (way: 'engine' | 'relay', what: 'seconds' | 'cpu') =>
      median(trips.map((trip) => trip[way][what]));
    report({
      title: 'Codec none through a unix socket',
      columns: ['way', 'MB/s', 'CPU s', 'engine over relay'],
      rows: [
        [
          'ramferry',
          round(size / of('engine', 'seconds') / 1e6),
          round(of('engine', 'cpu'), 2),
          round(median(trips.map((trip) => trip.relay.seconds / trip.engine.seconds)), 2),
        ],
        ['relay', round(size / of('relay', 'seconds') / 1e6), round(of('relay', 'cpu'), 2), 1],
      ],
      note: `${round(size / 2 ** 20)} MiB from file to file, two processes each, median of ${PAIRS} pairs that take turns; processor time with the start of the processes, time without`,
    });
  },
};
