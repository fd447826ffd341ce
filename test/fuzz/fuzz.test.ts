// A fixed small budget of fuzzing in every run of the tests. RAMFERRY_FUZZ_ITERATIONS raises it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { readCorpus } from './corpus.js';
import { decodeInline } from './inline.js';
import { mutate } from './mutations.js';
import { Xorshift32 } from '../../lab/random.js';
import { framesTrial, wayBackTrial, xenTrial } from './more-targets.js';
import { qemuTrial } from './qemu-trial.js';
import { fuzz, fuzzTarget } from './target.js';

const iterations = Number(process.env['RAMFERRY_FUZZ_ITERATIONS'] ?? 12_000);

describe('fuzzing native streams', () => {
  it('decodes the corpus', async () => {
    const corpus = readCorpus();
    assert.ok(corpus.length >= 20);
    for (const { stream } of corpus) await decodeInline(stream);
  });

  it('gives the same mutant for the same seed', () => {
    const streams = readCorpus().map(({ stream }) => stream);
    for (let seed = 1; seed < 200; seed++) {
      const [one, two] = [1, 2].map(() =>
        mutate(streams[seed % streams.length]!, streams, new Xorshift32(seed)),
      );
      assert.ok(one!.bytes.equals(two!.bytes));
    }
  });

  it(`refuses ${iterations} mutants with a typed error, or decodes them to their checksums`, async () => {
    const report = await fuzz({ iterations, seed: 1, receiverEvery: 0 });
    // The budget reaches every check, and some mutants pass all of them.
    const codes = [
      'MAGIC',
      'VERSION',
      'TRUNCATED',
      'CHECKSUM',
      'FORMAT',
      'LIMIT',
      'ORDER',
      'TOTALS',
      'TRAILING',
      'CODEC',
    ];
    for (const code of codes)
      assert.ok((report.refused[`ERR_STREAM_${code}`] ?? 0) > 0, `ERR_STREAM_${code}`);
    assert.ok(report.other > 0);
  });

  it(
    'gives the same verdict in the receiver and its threads, for a sample',
    { timeout: 120_000 },
    async () => {
      const report = await fuzz({ iterations: 40, seed: 1_000_001, receiverEvery: 1 });
      assert.equal(report.received, 40);
    },
  );
});

describe('fuzzing what surrounds native streams', { timeout: 300_000 }, () => {
  const upTo = (limit: number) => (trials: number) => trials < limit;

  it('Xen streams of method xenguest: typed errors, or the identical bytes', async () => {
    const count = await fuzzTarget('xenguest', await xenTrial(), 1, upTo(400));
    assert.ok(count.decoded > 0 && count.refused > count.decoded);
  });

  it('messages of the way back: typed errors, or a result', async () => {
    const count = await fuzzTarget('conversation', wayBackTrial(), 1, upTo(500));
    assert.ok(count.decoded > 0 && count.refused > 0);
  });

  it('streams of QEMU: every byte once, the same reports in any split', async () => {
    const count = await fuzzTarget('qemu', qemuTrial(), 1, upTo(1500));
    assert.ok(count.decoded > 0 && count.refused > 0);
  });

  it('frames of method stream: typed errors, or the identical bytes', async () => {
    const count = await fuzzTarget('frames', await framesTrial(), 1, upTo(12));
    assert.ok(count.refused > 0);
  });
});
