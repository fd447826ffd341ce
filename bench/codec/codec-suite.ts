// Makes bench/codec/codecs.ts a suite of `npm run bench`.

import type Benchmark from 'benchmark';

import { codecSuites } from './codecs.js';
import { type Cell, round, type Suite } from '../support/suite.js';

export const codecs: Suite = {
  name: 'codecs',
  summary: 'every codec, binding and some levels in one thread',
  run: async ({ image, report }) => {
    const rows: Cell[][] = [];
    for (const { suite, info, level, ratio, bytes, cpu } of await codecSuites(image)) {
      await new Promise<void>((resolve, reject) => {
        suite.on('complete', () => resolve());
        suite.on('error', () => reject(new Error('a benchmark failed')));
        suite.run({ async: true });
      });
      const wall: number[] = [];
      suite.forEach((test: Benchmark) => {
        wall.push(round(bytes / Math.min(...(test.stats.sample as number[])) / 1e6));
      });
      rows.push([
        info.codec,
        info.binding,
        level,
        round(ratio, 2),
        round(bytes / cpu.compress),
        round(bytes / cpu.decompress),
        ...wall,
      ]);
    }
    report({
      title: 'Codecs',
      columns: [
        'codec',
        'binding',
        'level',
        'ratio',
        'compress',
        'decompress',
        'compress, wall',
        'decompress, wall',
      ],
      rows,
      note: 'MB/s of processor time, all threads of the binding together, and of wall time; chunks of 1 MiB without zero pages',
    });
  },
};
