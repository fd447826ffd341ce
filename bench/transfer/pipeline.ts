// send and receive as whole processes, from and to files, through pipes, by codec: the speed that a user gets.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { median } from 'simple-statistics';

import { ramferry } from '../../lab/command.js';
import { type Run, run } from '../../lab/processes.js';
import { type Cell, round, type Suite } from '../support/suite.js';

const RUNS = 3;
const CODECS = ['none', 'lz4', 'zstd', 'zlib'] as const;

async function times(command: readonly string[]): Promise<Run[]> {
  const runs: Run[] = [];
  for (let turn = 0; turn < RUNS; turn++) runs.push(await run(command, { memory: true }));
  return runs;
}

export const pipeline: Suite = {
  name: 'pipeline',
  summary: 'send and receive as whole processes, by codec, files and pipes',
  run: async ({ image, scratch, report }) => {
    const { size } = statSync(image);
    const sent = join(scratch, 'pipeline.rfy');
    const restored = join(scratch, 'pipeline.ram');
    const rows: Cell[][] = [];
    const row = (what: string, codec: string, runs: readonly Run[], ratio: Cell): void => {
      const wall = median(runs.map((each) => each.wall));
      rows.push([
        what,
        codec,
        round(wall, 2),
        round(size / wall / 1e6),
        round(median(runs.map(({ cpu }) => cpu)), 2),
        ratio,
        round(Math.max(...runs.map(({ peak }) => peak)) / 2 ** 20),
      ]);
    };
    const quietly = ['-q', '--force'];
    for (const codec of CODECS) {
      const send = await times(ramferry('send', ...quietly, '--codec', codec, image, sent));
      row('send, file to file', codec, send, round(size / statSync(sent).size, 2));
      row('receive, file to file', codec, await times(ramferry('receive', ...quietly, sent, restored)), '');
      rmSync(restored);
    }
    const feed = `exec:cat '${image}'`;
    row('send, pipe to file', 'zstd', await times(ramferry('send', ...quietly, feed, sent)), '');
    row(
      'receive, file to pipe',
      'zstd',
      await times(ramferry('receive', ...quietly, sent, 'exec:cat >/dev/null')),
      '',
    );
    rmSync(sent);
    report({
      title: 'The pipeline, whole processes',
      columns: ['what', 'codec', 'seconds', 'MB/s', 'CPU s', 'ratio', 'peak MiB'],
      rows,
      note: `${round(size / 2 ** 20)} MiB, default options, median of ${RUNS}, start-up included; MB/s of guest memory`,
    });
  },
};
