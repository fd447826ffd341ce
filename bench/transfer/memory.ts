// Peak resident memory of send and receive, whole processes with 2 threads, for every codec and binding: for a small
// input and for one 16 times as large. The figures must not grow with the input, and must stay below --memory-limit.
// The bounds in src/transfer/plan/memory.ts are checked against them.

import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { listBindings } from '../../src/codec/features.js';
import { repeated } from '../support/files.js';
import { ramferry } from '../../lab/command.js';
import { run } from '../../lab/processes.js';
import { type Cell, round, type Suite } from '../support/suite.js';

const SMALL = 256 * 1024 ** 2;
const LARGE = 4 * 1024 ** 3;

export const memory: Suite = {
  name: 'memory',
  summary: 'most memory of send and receive, by codec and binding, for 256 MiB and 4 GiB (takes minutes)',
  run: async ({ image, scratch, report }) => {
    const sent = join(scratch, 'memory.rfy');
    const restored = join(scratch, 'memory.ram');
    const rows: Cell[][] = [];
    const inputs = [SMALL, LARGE].map((bytes) => repeated(image, bytes, scratch));
    for (const { codec, binding } of listBindings()) {
      const chosen = codec === 'zstd' ? ['--zstd-binding', binding] : [];
      const peaks: { send: number; receive: number }[] = [];
      for (const input of inputs) {
        const send = await run(
          ramferry(
            'send',
            '-q',
            '--force',
            '--compress-threads',
            '2',
            '--codec',
            codec,
            ...chosen,
            input,
            sent,
          ),
          { memory: true },
        );
        const receive = await run(
          ramferry('receive', '-q', '--force', '--decompress-threads', '2', ...chosen, sent, restored),
          { memory: true },
        );
        peaks.push({ send: round(send.peak / 2 ** 20), receive: round(receive.peak / 2 ** 20) });
        rmSync(sent);
        rmSync(restored);
      }
      const [small, large] = peaks;
      rows.push([codec, binding, small!.send, large!.send, small!.receive, large!.receive]);
    }
    report({
      title: 'Peak memory, MiB',
      columns: ['codec', 'binding', 'send 256 MiB', 'send 4 GiB', 'receive 256 MiB', 'receive 4 GiB'],
      rows,
      note: '2 threads, level 1, chunks of 1 MiB, memory limit 256 MiB (the default), from file to file',
    });
  },
};
