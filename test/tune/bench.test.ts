// bench on a small image: every figure is there, whatever it is. Other programs are left out: they may be missing.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { writeImage } from '../../src/guest/image.js';
import { formatBench } from '../../src/report/bench.js';
import { benchReport } from '../../src/report/html/bench.js';
import { bench } from '../../src/tune/bench.js';
import { run } from '../cli/command.js';

const MIB = 1024 * 1024;
const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-bench-test-'));
const image = join(directory, 'guest.ram');
before(() => writeImage(image, { bytes: 12 * MIB, seed: 5, profile: 'busy' }));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

describe('bench', () => {
  it('measures what it was asked for, there and back', async () => {
    const result = await bench({
      input: image,
      codecs: ['none', 'zstd'],
      levels: [1, 3],
      chunkSizes: ['256KiB', '1MiB'],
      threads: [1, 2],
      repetitions: 1,
      peers: false,
    });
    assert.equal(result.rows.length, (2 + 4) * 2);
    for (const row of result.rows) {
      assert.ok(row.ratio >= 0.99, `${row.codec} ${row.level}: ${row.ratio}`);
      assert.ok(row.compress.best > 0 && row.decompress.best > 0);
    }
    const text = formatBench(result);
    assert.match(text, /256 KiB/);
    const report = benchReport(result);
    assert.deepEqual(
      report.charts.map(({ id }) => id),
      ['crossover', 'ratio', 'threads', 'memory'],
    );
  });

  it('writes a page and JSON from the command line', async () => {
    const html = join(directory, 'report.html');
    const ended = await run([
      ...['bench', image, '--codecs', 'zstd', '--levels', '1', '--threads', '1', '--repetitions', '1'],
      ...['--no-peers', '--quiet', '--json', '--html', html],
    ]);
    assert.equal(ended.status, 0, ended.stderr);
    const { rows } = JSON.parse(ended.stdout.toString()) as { rows: unknown[] };
    assert.equal(rows.length, 4, 'four chunk sizes of zstd 1');
    assert.equal(fs.statSync(html).mode & 0o777, 0o600);
    assert.match(fs.readFileSync(html, 'utf8'), /ramferry bench/);
  });

  it('refuses what it cannot do, by name', async () => {
    await assert.rejects(bench({ input: image, levels: [99] }), /levels/);
    await assert.rejects(bench({ input: image, chunkSizes: ['16MiB'] }), /chunkSizes/);
    await assert.rejects(bench({ input: image, codecs: ['lzma' as 'lz4'] }), /codecs/);
    const unwritable = await run(['bench', image, '--html', join(directory, 'nowhere/report.html')]);
    assert.equal(unwritable.status, 6);
  });
});
