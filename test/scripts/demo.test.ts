// The demonstration of README.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

// The tests run from a build, so they skip the set-up of scripts/demo.
const DEMO = join(import.meta.dirname, '../../../scripts/demo.mjs');

describe('scripts/demo', () => {
  async function demo(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const directory = await mkdtemp(join(tmpdir(), 'ramferry-demo-test-'));
    try {
      const env = { ...process.env, TMPDIR: directory };
      const result = await new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
        execFile(process.execPath, [DEMO, ...args], { env }, (error, stdout, stderr) => {
          resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
        });
      });
      assert.deepEqual(await readdir(directory), [], 'something was left behind');
      return result;
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  it('prints both methods side by side for an idle and a busy guest, and confirms identical bytes', async () => {
    const { status, stdout, stderr } = await demo('4MiB', '10gbit');
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout.match(/without compression(?: │)?\s+with compression/g)?.length, 2);
    assert.equal(stdout.match(/^Restored twice, identical:\nsha256 [0-9a-f]{64}$/gm)?.length, 2);
    const gain = 'took \\d+\\.\\d\\d s instead of \\d+\\.\\d\\d s, with \\d+ % of the bytes';
    const last = [
      'Over a link of 10gbit, with compression:',
      `  the idle guest ${gain}`,
      `  the busy guest ${gain}`,
    ];
    assert.match(stdout.trimEnd(), new RegExp(`\\n${last.join('\\n')}$`));
    const longest = Math.max(...stdout.split('\n').map((line) => line.length));
    assert.ok(longest <= 80, `a line of ${longest} columns`);
    for (const label of ['total time', 'transferred ram', 'throughput', 'cpu time']) {
      assert.match(stdout, new RegExp(`^(?:│ )?${label} `, 'm'));
    }
  });

  it('refuses an impossible guest size in one line', async () => {
    const { status, stderr } = await demo('100');
    assert.equal(status, 1);
    assert.match(stderr, /^scripts\/demo: [^\n]+\n$/);
  });
});
