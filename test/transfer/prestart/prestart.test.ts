// Threads that wait for somebody to connect, and what they do meanwhile.

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { storeMemoryBytes } from '../../../src/chunk/page-store.js';
import { RamferryError } from '../../../src/errors.js';
import { COMPRESS_ENTRY, DECOMPRESS_ENTRY } from '../../../src/os/entries.js';
import { warmUpReceiving, warmUpSending } from '../../../src/transfer/prestart/warm-up.js';
import { type Rehearsal, Prestart } from '../../../src/transfer/prestart/prestart.js';
import type { ThreadGroup } from '../../../src/pool/thread-group.js';
import { MIB } from '../../../src/units.js';

const LIMIT = { timeout: 30_000 };
const PARTS = { threads: 2, zstdBinding: '', memoryLimit: 320 * MIB };
const open: Prestart[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((standby) => standby.close()));
});

function make(rehearsal: Rehearsal | undefined, entry = COMPRESS_ENTRY): Prestart {
  const standby = new Prestart({ entry, threads: 2, rehearsal, storeBytes: 2 * MIB });
  open.push(standby);
  return standby;
}

function listen(standby: Prestart, onListening?: (address: string) => void): void {
  standby.whileListening({ onListening }).onListening!('unix:/somewhere');
}

describe('standby', () => {
  it('does nothing until somebody listens, and then tells whoever else wants to know', LIMIT, () => {
    const heard: string[] = [];
    let rehearsals = 0;
    const standby = make(() => {
      rehearsals++;
      return Promise.resolve();
    });
    assert.equal(standby.take(), undefined);
    listen(standby, (address) => heard.push(address));
    listen(standby);
    assert.deepEqual(heard, ['unix:/somewhere']);
    assert.equal(rehearsals, 1, 'once is enough');
  });

  it('has nothing to rehearse for when somebody is there before', LIMIT, () => {
    const standby = make(() => assert.fail('a rehearsal'));
    standby.arrived();
    listen(standby);
    assert.equal(standby.take(), undefined);
  });

  it('gives its threads away once, for good', LIMIT, async () => {
    const standby = make(() => Promise.resolve());
    listen(standby);
    standby.arrived();
    const given = standby.take();
    assert.equal(given?.lent, false);
    assert.equal(standby.take(), undefined);
    await standby.close();
    assert.equal(given.crew.threads.length, 2, 'whoever took them ends them');
    await given.crew.close();
  });

  it('ends threads that nobody took, and the rehearsal with them', LIMIT, async () => {
    let crew: ThreadGroup | undefined;
    let ended = false;
    const standby = make(async (given, over) => {
      crew = given.crew;
      while (!over()) await new Promise(setImmediate);
      ended = true;
    });
    listen(standby);
    await standby.close();
    assert.ok(ended);
    assert.deepEqual(crew!.threads, []);
  });

  it('keeps to itself what a rehearsal failed with', LIMIT, async () => {
    const standby = make(() => Promise.reject(new RamferryError('ERR_CODEC_UNAVAILABLE', 'no codec')));
    listen(standby);
    await standby.close();
  });

  it('gives the memory of a page store away once, to whoever needs that much', LIMIT, async () => {
    const standby = make(() => Promise.resolve());
    assert.equal(standby.takeStore(2 * MIB), undefined, 'nobody listens');
    listen(standby);
    const memory = standby.takeStore(2 * MIB);
    assert.equal(memory?.byteLength, storeMemoryBytes(512));
    assert.ok(new Uint8Array(memory).every((byte) => byte === 0));
    assert.equal(standby.takeStore(2 * MIB), undefined);
    const other = make(() => Promise.resolve());
    listen(other);
    assert.equal(other.takeStore(MIB), undefined, 'another size');
    await standby.close();
  });

  it('gives the memory of a page store up when the threads are taken without it', LIMIT, async () => {
    const standby = make(() => Promise.resolve());
    listen(standby);
    const { crew } = standby.take()!;
    assert.equal(standby.takeStore(2 * MIB), undefined);
    await crew.close();
  });

  it('has its threads ready without a rehearsal, too', LIMIT, async () => {
    const standby = make(undefined);
    listen(standby);
    const { crew } = standby.take()!;
    assert.equal(crew.threads.length, 2);
    await crew.close();
  });
});

describe('a rehearsal', () => {
  it('is left out where the memory limit has no room for it', () => {
    const tight = { ...PARTS, memoryLimit: 128 * MIB };
    assert.equal(warmUpSending({ ...tight, codec: 'zstd' }), undefined);
    assert.equal(warmUpReceiving(tight), undefined);
    assert.notEqual(warmUpReceiving({ ...tight, threads: 1 }), undefined, 'one thread has enough of it');
  });

  for (const [what, rehearsal, entry] of [
    ['of sending', warmUpSending({ ...PARTS, codec: 'zstd' })!, COMPRESS_ENTRY],
    ['of receiving', warmUpReceiving(PARTS)!, DECOMPRESS_ENTRY],
  ] as const) {
    it(
      `${what} succeeds, comes to its end by itself, and leaves the threads as they were`,
      LIMIT,
      async () => {
        let outcome: unknown = 'none';
        let threads: number[] = [];
        const ids = (crew: ThreadGroup): number[] =>
          crew.threads.map(({ threadId }) => threadId).sort((a, b) => a - b);
        const standby = make(async (given, over) => {
          threads = ids(given.crew);
          outcome = await rehearsal(given, over).then(
            () => 'good',
            (thrown: unknown) => thrown,
          );
        }, entry);
        listen(standby);
        while (outcome === 'none') await new Promise(setImmediate);
        assert.equal(outcome, 'good');
        const { crew } = standby.take()!;
        assert.deepEqual(ids(crew), threads);
        await crew.close();
      },
    );

    it(`${what} ends at once when somebody has come`, LIMIT, async () => {
      const standby = make(rehearsal, entry);
      listen(standby);
      standby.arrived();
      await standby.close();
    });
  }
});
