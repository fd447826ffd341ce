// What --verify decides before anything runs: where the two sides run, what is run, and what the image is made of.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { median } from 'simple-statistics';

import { SEGMENT } from '../../../src/chunk/segments.js';
import { timeSend, timeTransfer } from '../../../src/tune/measure/commands.js';
import { contenders } from '../../../src/tune/advice/neighbours.js';
import type { Prediction, Route } from '../../../src/tune/model/model.js';
import { parseCpuList, placementOf, type PlacementQuestion } from '../../../src/tune/advice/placement.js';
import type { Choice } from '../../../src/tune/advice/recommend.js';
import { mixture, writeMixture } from '../../../src/tune/verify/verify-image.js';
import { MIB } from '../../../src/units.js';

const directory = fs.mkdtempSync(join(tmpdir(), 'ramferry-verify-test-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

describe('placementOf', () => {
  const question: PlacementQuestion = {
    compressCpus: undefined,
    decompressCpus: undefined,
    processors: [2, 3, 8, 9],
    usable: 4,
    canPin: true,
  };

  it('shares the CPUs, without given numbers', () => {
    const placement = placementOf(question);
    assert.equal(placement.kind, 'shared');
    assert.equal(placement.cpus, 4);
  });

  it('pins the sides apart, with enough CPUs', () => {
    assert.deepEqual(placementOf({ ...question, compressCpus: 1, decompressCpus: 3 }), {
      kind: 'pinned',
      sender: [2],
      receiver: [3, 8, 9],
    });
    assert.deepEqual(placementOf({ ...question, compressCpus: 2 }), {
      kind: 'pinned',
      sender: [2, 3],
      receiver: [8, 9],
    });
  });

  it('shares the CPUs, with too few or without taskset', () => {
    for (const change of [
      { compressCpus: 3 },
      { compressCpus: 1, decompressCpus: 4 },
      { compressCpus: 1, decompressCpus: 1, usable: 1 },
      { compressCpus: 1, decompressCpus: 1, canPin: false },
      { compressCpus: 1, processors: [] },
    ]) {
      assert.equal(placementOf({ ...question, ...change }).kind, 'shared', JSON.stringify(change));
    }
  });

  it("parses the kernel's lists of processors", () => {
    assert.deepEqual(parseCpuList('0-3,8,10-11'), [0, 1, 2, 3, 8, 10, 11]);
    assert.deepEqual(parseCpuList('5'), [5]);
    assert.deepEqual(parseCpuList(''), []);
  });
});

describe('contenders', () => {
  const host = { cpus: 2, main: { perWireByte: 0, perChunk: 0, perGuestByte: 0 }, scaling: [] };
  const route: Route = { sender: host, receiver: host, linkRate: 1e6, startUp: 0 };
  const choice = (codec: 'zstd' | 'none' | 'lz4', level: number, seconds: number, chunk = MIB): Choice => ({
    settings: { codec, level, chunkSize: chunk, threads: { compress: 1, decompress: 1 } },
    prediction: { seconds } as Prediction,
    measured: 1,
  });
  const best = choice('zstd', 5, 1);
  const all = [
    best,
    choice('zstd', 7, 1.1),
    choice('zstd', 9, 1.2),
    choice('zstd', 3, 1.3),
    choice('zstd', 1, 1.4),
    choice('zstd', 5, 1.5, 4 * MIB),
    choice('lz4', 1, 1.6),
    choice('none', 1, 3),
  ];
  const names = (found: ReturnType<typeof contenders>): string[] =>
    found.map(({ settings: { codec, level, chunkSize, threads } }) =>
      [codec, level, chunkSize / MIB, threads.compress].join(' '),
    );

  it('are the recommendation and settings that differ in one thing', () => {
    assert.deepEqual(names(contenders(best, all, route)), [
      'zstd 5 1 1',
      'zstd 3 1 1',
      'zstd 7 1 1',
      'zstd 5 4 1',
      'zstd 5 1 2',
      'none 1 1 1',
    ]);
  });

  it('leave out hopeless settings and repetitions', () => {
    const slow = [...all.slice(0, -1), choice('none', 1, 5)];
    assert.ok(!names(contenders(best, slow, route)).some((name) => name.startsWith('none')));
    const plain = choice('none', 1, 0.5);
    assert.deepEqual(names(contenders(plain, [plain, ...all.slice(0, -1)], route)), [
      'none 1 1 1',
      'none 1 1 2',
    ]);
  });
});

describe('writeMixture', () => {
  it('repeats every region by its weight, in every stretch', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 300 }), (given, slots) => {
        fc.pre(given.some((weight) => weight > 0));
        const sum = given.reduce((total, each) => total + each, 0);
        const order = mixture(given, slots);
        assert.equal(order.length, slots);
        const counts = given.map((_, index) => order.filter((each) => each === index).length);
        for (const [index, weight] of given.entries()) {
          const exact = (weight / sum) * slots;
          assert.ok(weight > 0 || counts[index] === 0);
          assert.ok(Math.abs(counts[index]! - exact) < given.length, `${counts[index]} of ${exact}`);
        }
      }),
    );
  });

  it('writes the regions, with holes for zeros', () => {
    const length = 4 * MIB;
    const full = Buffer.alloc(length, 'guest memory ');
    const held = (bytes: Buffer, weight: number) => ({
      weight,
      offset: 0,
      length,
      held: { bytes, segments: [] },
    });
    const path = join(directory, 'mixture');
    const { bytes, counts } = writeMixture(path, [held(full, 1), held(Buffer.alloc(length), 3)], -1, 4);
    assert.equal(bytes, 4 * length);
    assert.deepEqual(counts, [1, 3]);
    const written = fs.readFileSync(path);
    assert.equal(written.length, bytes);
    const at = mixture([1, 3], 4).indexOf(0) * length;
    assert.ok(written.subarray(at, at + length).equals(full));
    assert.equal(fs.statSync(path).mode & 0o777, 0o600);
    assert.ok(fs.statSync(path).blocks * 512 < 2 * length);
  });

  it('writes only the pages, for a stream', () => {
    const bytes = Buffer.alloc(3 * 4096 + 24, 7);
    bytes.fill(1, 0, 24);
    const segments = [SEGMENT.skeleton, 8, SEGMENT.wordsLE, 2, SEGMENT.pages, 3];
    const path = join(directory, 'stream');
    const region = { weight: 1, offset: 0, length: bytes.length, held: { bytes, segments } };
    assert.equal(writeMixture(path, [region], -1, 2).bytes, 6 * 4096);
    assert.ok(fs.readFileSync(path).every((byte) => byte === 7));
  });

  it('takes the median of the runs', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1]), 2.5);
  });
});

describe('timeTransfer', () => {
  it('reports why a command failed, and leaves nothing behind', async () => {
    await assert.rejects(
      timeTransfer({
        file: join(directory, 'nothing'),
        output: '/dev/null',
        send: { args: [] },
        receive: { args: [] },
      }),
      /the command send ended with status 3: .*ERR_INPUT_OPEN/,
    );
    await assert.rejects(
      timeTransfer({
        file: directory,
        output: '/dev/null',
        send: { args: [] },
        receive: { args: ['--decompress-threads', '0'] },
      }),
      /the command receive ended with status 2/,
    );
    await assert.rejects(timeSend([directory, '-']), /the command send ended with status/);
  });

  it('ends with the signal, at any time', async () => {
    const zeros = { file: '/dev/zero', output: '/dev/null', send: { args: [] }, receive: { args: [] } };
    const gone = new Error('enough');
    await assert.rejects(timeTransfer({ ...zeros, signal: AbortSignal.abort(gone) }), gone);
    const controller = new AbortController();
    const running = timeTransfer({ ...zeros, signal: controller.signal });
    controller.abort(gone);
    await assert.rejects(running, gone);
  });
});
