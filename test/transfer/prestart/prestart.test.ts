// Threads that start before the peer connects, and their warm-up.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { COMPRESS_ENTRY, DECOMPRESS_ENTRY } from '../../../src/os/entries.js';
import { warmUpReceiving, warmUpSending } from '../../../src/transfer/prestart/warm-up.js';
import { type WarmUp, Prestart } from '../../../src/transfer/prestart/prestart.js';
import type { ThreadGroup } from '../../../src/pool/thread-group.js';
import { MIB } from '../../../src/units.js';

const LIMIT = { timeout: 30_000 };
const PARTS = { threads: 2, zstdBinding: '', memoryLimit: 320 * MIB };
const open: Prestart[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((prestart) => prestart.close()));
});

function make(warmUp: WarmUp | undefined, entry = COMPRESS_ENTRY): Prestart {
  const prestart = new Prestart({ entry, threads: 2, warmUp: warmUp });
  open.push(prestart);
  return prestart;
}

function listen(prestart: Prestart, onListening?: (address: string) => void): void {
  prestart.whileListening({ onListening }).onListening!('unix:/somewhere');
}

describe('Prestart', () => {
  it('starts when an address listens, once, and passes the address on', LIMIT, () => {
    const heard: string[] = [];
    let warmUps = 0;
    const prestart = make(() => {
      warmUps++;
      return Promise.resolve();
    });
    assert.equal(prestart.take(), undefined);
    listen(prestart, (address) => heard.push(address));
    listen(prestart);
    assert.deepEqual(heard, ['unix:/somewhere']);
    assert.equal(warmUps, 1, 'once is enough');
  });

  it('starts nothing when the peer connects before an address listens', LIMIT, () => {
    const prestart = make(() => assert.fail('a warm-up'));
    prestart.cancelWarmUp();
    listen(prestart);
    assert.equal(prestart.take(), undefined);
  });

  it('take: hands over the threads once, and no longer closes them', LIMIT, async () => {
    const prestart = make(() => Promise.resolve());
    listen(prestart);
    prestart.cancelWarmUp();
    const given = prestart.take();
    assert.equal(given?.borrowed, false);
    assert.equal(prestart.take(), undefined);
    await prestart.close();
    assert.equal(given.group.threads.length, 2, 'the caller closes them');
    await given.group.close();
  });

  it('close: ends the warm-up and threads that were not taken', LIMIT, async () => {
    let group: ThreadGroup | undefined;
    let ended = false;
    const prestart = make(async (given, over) => {
      group = given.group;
      while (!over()) await new Promise(setImmediate);
      ended = true;
    });
    listen(prestart);
    await prestart.close();
    assert.ok(ended);
    assert.deepEqual(group!.threads, []);
  });

  it('ignores the errors of a warm-up', LIMIT, async () => {
    const prestart = make(() => Promise.reject(new RamferryError('ERR_CODEC_UNAVAILABLE', 'no codec')));
    listen(prestart);
    await prestart.close();
  });

  it('starts the threads without a warm-up', LIMIT, async () => {
    const prestart = make(undefined);
    listen(prestart);
    const { group } = prestart.take()!;
    assert.equal(group.threads.length, 2);
    await group.close();
  });
});

describe('warm-up', () => {
  it('is left out below its share of the memory limit', () => {
    const tight = { ...PARTS, memoryLimit: 128 * MIB };
    assert.equal(warmUpSending({ ...tight, codec: 'zstd' }), undefined);
    assert.equal(warmUpReceiving(tight), undefined);
    assert.notEqual(warmUpReceiving({ ...tight, threads: 1 }), undefined, 'one thread has enough memory');
  });

  for (const [what, warmUp, entry] of [
    ['sending', warmUpSending({ ...PARTS, codec: 'zstd' })!, COMPRESS_ENTRY],
    ['receiving', warmUpReceiving(PARTS)!, DECOMPRESS_ENTRY],
  ] as const) {
    it(`${what}: succeeds, ends by itself, and leaves the threads running`, LIMIT, async () => {
      let outcome: unknown = 'none';
      let threads: number[] = [];
      const ids = (group: ThreadGroup): number[] =>
        group.threads.map(({ threadId }) => threadId).sort((a, b) => a - b);
      const prestart = make(async (given, over) => {
        threads = ids(given.group);
        outcome = await warmUp(given, over).then(
          () => 'good',
          (thrown: unknown) => thrown,
        );
      }, entry);
      listen(prestart);
      while (outcome === 'none') await new Promise(setImmediate);
      assert.equal(outcome, 'good');
      const { group } = prestart.take()!;
      assert.deepEqual(ids(group), threads);
      await group.close();
    });

    it(`${what}: ends at once when the peer connects`, LIMIT, async () => {
      const prestart = make(warmUp, entry);
      listen(prestart);
      prestart.cancelWarmUp();
      await prestart.close();
    });
  }
});
