// Whole processes, file to file, beside the usual program for this task: `zstd -1 -T2`. Start-up is included. Files lie in
// memory if the system has /dev/shm.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { repeated } from '../support/files.js';
import { ramferry } from '../../lab/command.js';
import { type Run, run } from '../../lab/processes.js';
import { round, type Suite } from '../support/suite.js';

const PAIRS = 5;
const BYTES = 2 * 1024 ** 3;
const THREADS = '2';

export const peers: Suite = {
  name: 'peers',
  summary: '2 GiB from file to file with 2 threads, beside zstd -1 -T2',
  run: async ({ image, scratch, report }) => {
    const file = repeated(image, Math.max(BYTES, statSync(image).size), scratch);
    const output = join(scratch, 'peer.out');
    const commands: Record<string, string[]> = {
      'ramferry send': ramferry('send', '-q', '--force', '--compress-threads', THREADS, file, output),
    };
    if (await hasZstd())
      commands['zstd -1 -T2'] = ['zstd', '-1', `-T${THREADS}`, '-q', '-f', '-o', output, file];
    const runs: Record<string, Run[]> = {};
    const sizes: Record<string, number> = {};
    for (let pair = 0; pair < PAIRS; pair++) {
      const names = Object.keys(commands);
      for (const name of pair % 2 === 0 ? names : names.reverse()) {
        (runs[name] ??= []).push(await run(commands[name]!, { memory: true }));
        sizes[name] = statSync(output).size;
        rmSync(output);
      }
    }
    report({
      title: 'From file to file, whole process',
      columns: ['command', 'seconds', 'fastest', 'CPU s', 'output MB', 'peak MiB'],
      rows: Object.entries(runs).map(([name, each]) => [
        name,
        round(median(each.map(({ wall }) => wall)), 2),
        round(Math.min(...each.map(({ wall }) => wall)), 2),
        round(median(each.map(({ cpu }) => cpu)), 2),
        round(sizes[name]! / 1e6, 1),
        round(Math.max(...each.map(({ peak }) => peak)) / 2 ** 20),
      ]),
      note: `${round(statSync(file).size / 2 ** 20)} MiB, ${THREADS} threads, median of ${PAIRS} runs that take turns`,
    });
  },
};

async function hasZstd(): Promise<boolean> {
  try {
    await run(['zstd', '--version']);
    return true;
  } catch {
    return false;
  }
}
