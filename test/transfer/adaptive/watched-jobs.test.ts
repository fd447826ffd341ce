// Chunks whose codec and level change from one to the next, each with a trial, through real workers.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { CODEC_ID } from '../../../src/codec/codec.js';
import type { SenderCollaborators } from '../../../src/transfer/sender/sender.js';
import { image } from '../support/carry.js';
import { decodeStream, encodeStream } from '../support/memory-link.js';

const CODINGS = [
  ['zstd', 1],
  ['none', 1],
  ['zstd', -5],
  ['lz4', 1],
  ['zlib', 1],
  ['zstd', 6],
] as const;
const CHUNK = 65_536;

describe('watched jobs', () => {
  it('restore the identical bytes and report the cost of each chunk and trial', async () => {
    const bytes = image(2 * 1024 * 1024, 'busy');
    let count = 0;
    const seen: { codec: number; plain: number; job: number; own: number; trial: number; tried: number }[] =
      [];
    const chooser: NonNullable<SenderCollaborators['chooser']> = {
      prepare: (job) => {
        const [codec, level] = CODINGS[count++ % CODINGS.length]!;
        job.codec = codec;
        job.level = level;
        job.watched = true;
        job.trialCodec = 'zstd';
        job.trialLevel = 3;
      },
      departed: (job) => {
        seen.push({
          codec: CODEC_ID[job.codec],
          plain: job.plainLength,
          job: job.cpuMicros,
          own: job.codecMicros,
          trial: job.trialMicros,
          tried: job.trialLength,
        });
      },
      redirect: () => undefined,
      wrote: () => false,
    };
    const stream = await encodeStream(bytes, { chooser, chunkSize: CHUNK, threads: 2 });
    assert.ok((await decodeStream(stream)).equals(bytes));
    assert.equal(seen.length, bytes.length / CHUNK);
    for (const { codec, plain, job, own, trial, tried } of seen) {
      assert.ok(job > 0 && own <= job, `${own} of ${job} µs`);
      // Too little left for a codec: nothing to measure either.
      if (plain < 4096) continue;
      assert.equal(own > 0, codec !== CODEC_ID.none);
      assert.ok(trial > 0 && tried <= plain);
    }
    // Where the chunk itself did not shrink, a trial's result has no room.
    for (const each of [CODEC_ID.none, CODEC_ID.zstd, CODEC_ID.lz4, CODEC_ID.zlib]) {
      assert.ok(seen.some(({ codec, tried }) => codec === each && tried > 0));
    }
  });

  it('use the level set last before a worker began, and report it', async () => {
    const bytes = image(4 * 1024 * 1024, 'busy');
    const used: { level: number; encoded: number; plain: number }[] = [];
    let level = 19;
    const chooser: NonNullable<SenderCollaborators['chooser']> = {
      prepare: (job) => {
        job.codec = 'zstd';
        job.level = level;
      },
      redirect: (job) => {
        job.level = level;
      },
      departed: (job) => {
        used.push({
          level: job.usedLevel,
          encoded: job.outputLength,
          plain: job.plainLength,
        });
      },
      // From the first write on nothing is compressed.
      wrote: () => {
        const changed = level !== 0;
        level = 0;
        return changed;
      },
    };
    const stream = await encodeStream(bytes, { chooser, chunkSize: CHUNK, threads: 1 });
    assert.ok((await decodeStream(stream)).equals(bytes));
    assert.equal(used.length, bytes.length / CHUNK);
    assert.equal(used[0]!.level, 19);
    // What was pushed with level 19 before the first chunk had left, but for one that a worker had, and one that was done.
    assert.ok(used.filter(({ level: each }) => each === 19).length <= 3, JSON.stringify(used.slice(0, 8)));
    for (const { level: each, encoded, plain } of used) {
      if (plain > 4096) assert.equal(encoded < plain, each === 19);
    }
  });
});
