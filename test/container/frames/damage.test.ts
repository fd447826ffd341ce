// Damage to a ramferry stream of method `stream`: the receiver reports every truncation, flipped bit and moved chunk.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { FORMATS, memoryLike, receive, rejectsWith, send } from './helpers.js';

// Letters with few repetitions, so that every codec's output has both matches and literals.
const INPUT = Buffer.from('the guest writes while we read; the guest reads while we write. '.repeat(3));

for (const format of FORMATS) {
  describe(`damage to a stream of ${format}`, () => {
    for (const level of [0, 1]) {
      it(`finds every flipped bit at level ${level}`, async () => {
        const stream = await send(format, INPUT, 100, level);
        for (let bit = 0; bit < stream.length * 8; bit += 1) {
          const damaged = Buffer.from(stream);
          damaged[bit >> 3]! ^= 1 << (bit & 7);
          const thrown: unknown = await receive(damaged).then(
            () => undefined,
            (error: unknown) => error,
          );
          assert.ok(thrown instanceof RamferryError, `byte ${bit >> 3}, bit ${bit & 7}: ${String(thrown)}`);
          assert.equal(thrown.exitCode, 5, `byte ${bit >> 3}, bit ${bit & 7}: ${thrown.code}`);
        }
      });
    }

    it('reports a stream that is cut at any byte', async () => {
      const stream = await send(format, INPUT, 100);
      for (let length = 0; length < stream.length; length += 1) {
        const cut = stream.subarray(0, length);
        if (length === 0) await rejectsWith(() => receive(cut), 'ERR_STREAM_MAGIC');
        else await rejectsWith(() => receive(cut), 'ERR_STREAM_TRUNCATED');
      }
      await receive(stream);
    });

    it('reports trailing bytes after the totals', async () => {
      const stream = await send(format, INPUT, 100);
      for (const tail of [Buffer.from([0]), Buffer.from('x'), stream, stream.subarray(0, 9)]) {
        const error = await rejectsWith(() => receive(Buffer.concat([stream, tail])), 'ERR_STREAM_TRAILING');
        assert.equal(error.place.offset, stream.length);
      }
    });

    it('reports chunks that are exchanged, repeated, lost or from another stream', async () => {
      const parts = await split(format, memoryLike(12_000).subarray(8000), 1000);
      const [first, a, b, c, d, last] = parts as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
      const other = (await split(format, memoryLike(30_000).subarray(26_000), 1000))[1]!;
      assert.notDeepEqual(other, a);
      await receive(Buffer.concat([first, a, b, c, d, last]));
      for (const order of [
        [first, b, a, c, d, last],
        [first, a, a, b, c, d, last],
        [first, a, b, c, last],
        [first, other, b, c, d, last],
      ]) {
        await rejectsWith(() => receive(Buffer.concat(order)), 'ERR_STREAM_TOTALS');
      }
      for (const order of [
        [a, b, c, d, last],
        [first, a, first, b, c, d, last],
      ]) {
        await rejectsWith(() => receive(Buffer.concat(order)), 'ERR_STREAM_FORMAT');
      }
      await rejectsWith(() => receive(Buffer.concat([first, a, b, c, d])), 'ERR_STREAM_TRUNCATED');
    });
  });
}

/** Splits a stream into its units. Streams of fewer chunks show where each unit begins. */
async function split(format: (typeof FORMATS)[number], input: Buffer, chunkSize: number): Promise<Buffer[]> {
  const stream = await send(format, input, chunkSize);
  const empty = await send(format, Buffer.alloc(0), chunkSize);
  const totalsLength = format === 'zlib' ? 66 : 60;
  const announcementLength = empty.length - totalsLength;
  const parts = [stream.subarray(0, announcementLength)];
  let at = announcementLength;
  for (let from = 0; from < input.length; from += chunkSize) {
    const alone = await send(format, input.subarray(from, from + chunkSize), chunkSize);
    const length = alone.length - empty.length;
    parts.push(stream.subarray(at, at + length));
    at += length;
  }
  parts.push(stream.subarray(at));
  return parts;
}
