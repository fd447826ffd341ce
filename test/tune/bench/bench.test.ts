// bench on a small image: every figure is there, whatever it is. Other programs are left out: they may be missing.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { writeImage } from '../../../src/image/image.js';
import { formatBench } from '../../../src/report/bench.js';
import { benchReport } from '../../../src/report/html/bench.js';
import { bench } from '../../../src/tune/bench/bench.js';
import { MIB } from '../../../src/units.js';
import { run } from '../../cli/command.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-bench-test-'));
const image = join(directory, 'guest.ram');
before(() => writeImage(image, { bytes: 12 * MIB, seed: 5, profile: 'busy' }));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

describe('bench', () => {
  it('measures the given codecs, levels and sizes, there and back', async () => {
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

  it('measures deltas, on pages that changed since an older image', async () => {
    const older = join(directory, 'older.ram');
    const bytes = fs.readFileSync(image);
    // A few words of every fourth page, as a guest that counts.
    for (let at = 0; at < bytes.length; at += 4 * 4096) bytes.writeBigUInt64LE(BigInt(at) + 12345n, at + 512);
    fs.writeFileSync(older, bytes);
    const result = await bench({
      ...{ input: image, before: older, codecs: ['none', 'zstd'], levels: [1], threads: [1] },
      ...{ repetitions: 2, peers: false },
    });
    const { delta } = result;
    assert.ok(delta !== undefined);
    assert.ok(Math.abs(delta.changed - 0.25) < 0.001, String(delta.changed));
    assert.equal(delta.bytes, (12 * MIB) / 4);
    assert.deepEqual(
      delta.rows.map(({ plain }) => plain.codec),
      ['none', 'zstd'],
    );
    for (const { plain, delta: own } of delta.rows) {
      assert.ok(own.ratio > 4 * plain.ratio, `${plain.codec}: ${own.ratio} against ${plain.ratio}`);
      assert.ok(own.compress.best > 0 && own.decompress.best > 0);
    }
    assert.match(formatBench(result), /25\.0 % of the pages differ/);
    assert.ok(benchReport(result).charts.some(({ id }) => id === 'delta'));
    const same = await bench({
      ...{ input: image, before: image, codecs: ['none'], threads: [1], repetitions: 1, peers: false },
    });
    assert.equal(same.delta, undefined, 'nothing has changed');
  });

  it('writes HTML and JSON, from the command line', async () => {
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

  it('names the option, for values it cannot use', async () => {
    await assert.rejects(bench({ input: image, levels: [99] }), /levels/);
    const short = join(directory, 'short.ram');
    fs.writeFileSync(short, Buffer.alloc(MIB));
    await assert.rejects(
      bench({ input: image, before: short, codecs: ['none'], threads: [1], repetitions: 1, peers: false }),
      /before: expected a RAM image in a file, of 12582912 bytes/,
    );
    await assert.rejects(bench({ input: image, chunkSizes: ['16MiB'] }), /chunkSizes/);
    await assert.rejects(bench({ input: image, codecs: ['lzma' as 'lz4'] }), /codecs/);
    const unwritable = await run(['bench', image, '--html', join(directory, 'nowhere/report.html')]);
    assert.equal(unwritable.status, 6);
  });
});
