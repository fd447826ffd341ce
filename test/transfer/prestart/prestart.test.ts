// What is made ready while an address listens, and the warm-up.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { RamferryError } from '../../../src/errors.js';
import { COMPRESS_ENTRY, DECOMPRESS_ENTRY } from '../../../src/os/entries.js';
import { ThreadGroup } from '../../../src/pool/thread-group.js';
import { warmUpReceiving, warmUpSending } from '../../../src/transfer/prestart/warm-up.js';
import { type WarmUp, Prestart } from '../../../src/transfer/prestart/prestart.js';
import { MIB } from '../../../src/units.js';

const LIMIT = { timeout: 30_000 };
const PARTS = { threads: 2, zstdBinding: '', memoryLimit: 320 * MIB };
const open: Prestart[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((prestart) => prestart.close()));
});

function make(warmUp: WarmUp | undefined, idle = 0): Prestart {
  const prestart = new Prestart({ warmUp, idle });
  open.push(prestart);
  return prestart;
}

function listen(prestart: Prestart, onListening?: (address: string) => void): void {
  prestart.whileListening({ onListening }).onListening!('unix:/somewhere');
}

/** A warm-up that tells when it has begun, and ends when it is cancelled. */
function endless(): { warmUp: WarmUp; begun: Promise<void>; isOver: () => boolean } {
  let over = false;
  let tell = (): void => undefined;
  const begun = new Promise<void>((resolve) => (tell = resolve));
  const warmUp: WarmUp = async (given, isCancelled) => {
    assert.equal(given, undefined, 'on the main thread');
    tell();
    while (!isCancelled()) await new Promise(setImmediate);
    over = true;
  };
  return { warmUp, begun, isOver: () => over };
}

describe('Prestart', () => {
  it('begins when an address has listened for a while, once, and passes the address on', LIMIT, async () => {
    const heard: string[] = [];
    let warmUps = 0;
    const prestart = make(() => {
      warmUps++;
      return Promise.resolve();
    });
    listen(prestart, (address) => heard.push(address));
    listen(prestart);
    assert.deepEqual(heard, ['unix:/somewhere']);
    assert.equal(warmUps, 0);
    await setTimeout(50);
    assert.equal(warmUps, 1, 'once is enough');
  });

  it('begins nothing, when the peer connects before', LIMIT, async () => {
    const early = make(() => assert.fail('a warm-up'));
    early.cancelWarmUp();
    listen(early);
    const soon = make(() => assert.fail('a warm-up'), 30);
    listen(soon);
    soon.cancelWarmUp();
    await setTimeout(60);
  });

  it('has no threads and no memory to hand over', () => {
    const prestart = make(undefined);
    assert.equal(prestart.take(), undefined);
    assert.equal(prestart.takeStore(), undefined);
  });

  it('close: ends the warm-up', LIMIT, async () => {
    const { warmUp, begun, isOver } = endless();
    const prestart = make(warmUp);
    listen(prestart);
    await begun;
    await prestart.close();
    assert.ok(isOver());
  });

  it('ignores the errors of a warm-up', LIMIT, async () => {
    const prestart = make(() => Promise.reject(new RamferryError('ERR_CODEC_UNAVAILABLE', 'no codec')));
    listen(prestart);
    await setTimeout(20);
    await prestart.close();
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
    it(`${what}: succeeds on the main thread, and ends by itself`, LIMIT, async () => {
      await warmUp(undefined, () => false);
    });

    it(`${what}: leaves given threads running`, LIMIT, async () => {
      const group = new ThreadGroup({ entry, threads: 2, atOnce: true });
      try {
        await warmUp({ group, borrowed: true }, () => false);
        assert.equal(group.threads.length, 2);
      } finally {
        await group.close();
      }
    });

    it(`${what}: ends at once, when the peer connects`, LIMIT, async () => {
      let turns = 0;
      await warmUp(undefined, () => turns++ > 3);
      assert.ok(turns < 100, `${turns} looks`);
    });
  }
});
