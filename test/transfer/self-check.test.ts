// The self-check finds a chunk that a codec has corrupted before the chunk leaves.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { recordCapacity } from '../../src/chunk/encode.js';
import { OPERATIONS_CAPACITY } from '../../src/chunk/plan.js';
import { MAX_SEGMENTS, SEGMENT } from '../../src/chunk/segments.js';
import type { CodecName } from '../../src/codec/codec.js';
import type { RamferryError } from '../../src/errors.js';
import { OrderedPool } from '../../src/pool/ordered-pool.js';
import { TASK } from '../../src/slot/job.js';
import { isTyped } from '../chunk/typed.js';
import { decodeRecord } from '../chunk/support.js';
import { candidates, memoryLike } from '../codec/support.js';

const CHUNK = 65_536;
const input = memoryLike(CHUNK);
const open: OrderedPool[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

/** Encodes one chunk in a real worker. @returns its record */
async function encode(
  entry: string,
  codec: CodecName,
  selfCheck: boolean,
  task: number = TASK.encode,
): Promise<Buffer> {
  const pool = new OrderedPool({
    entry: new URL(entry, import.meta.url),
    threads: 1,
    geometry: {
      slots: 1,
      segments: MAX_SEGMENTS,
      headroom: OPERATIONS_CAPACITY,
      input: CHUNK,
      output: 2 * recordCapacity(CHUNK),
    },
    startUp: { maxChunk: CHUNK, fd: -1, alignment: 1, zstdBinding: '' },
  });
  open.push(pool);
  const index = await pool.acquire();
  const { encode: job, segments, input: area, output } = pool.slots[index]!;
  area.set(input);
  segments.set([SEGMENT.skeleton, CHUNK]);
  job.begin();
  job.task = task;
  job.inputLength = CHUNK;
  job.segmentCount = 1;
  job.codec = codec;
  job.level = 1;
  job.selfCheck = selfCheck;
  pool.push(index);
  await pool.next();
  return Buffer.from(output.subarray(0, job.outputLength));
}

const HONEST = '../../workers/compress.js';
const CORRUPTING = './support/corrupting-compress.js';

describe('self-check', () => {
  it('passes chunks that decode to their input', async () => {
    const record = await encode(HONEST, 'zlib', true);
    assert.deepEqual([...(await decodeRecord(record, CHUNK)).bytes], [...input]);
  });

  it('finds a corrupted chunk before it leaves', async () => {
    await assert.rejects(encode(CORRUPTING, 'zlib', true), (thrown) => {
      isTyped('ERR_SELF_CHECK')(thrown);
      assert.equal((thrown as RamferryError).place.sequence, 0);
      return true;
    });
  });

  const skip = candidates.some(({ binding }) => binding === 'zstd-napi')
    ? false
    : 'zstd-napi is not installed';

  it('checks frames of method stream', { skip }, async () => {
    await encode(HONEST, 'zstd', true, TASK.frame);
    await encode(CORRUPTING, 'zstd', false, TASK.frame);
    await assert.rejects(encode(CORRUPTING, 'zstd', true, TASK.frame), isTyped('ERR_SELF_CHECK'));
  });

  it('finds it only when it is on; otherwise the receiver finds it', async () => {
    const record = await encode(CORRUPTING, 'zlib', false);
    await assert.rejects(decodeRecord(record, CHUNK), isTyped('ERR_STREAM_CODEC', 'ERR_STREAM_CHECKSUM'));
  });
});
