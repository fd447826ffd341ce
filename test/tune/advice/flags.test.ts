// The options that tune prints: they name a memory limit only where the default leaves too few slots.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { flagList, flagsFor } from '../../../src/tune/advice/flags.js';
import type { Settings } from '../../../src/tune/advice/recommend.js';
import { MIB } from '../../../src/units.js';

function settings(change: Partial<Settings> = {}): Settings {
  const threads = { compress: 2, decompress: 1 };
  return { codec: 'zstd', level: 1, chunkSize: MIB, threads, ...change };
}

describe('flagsFor', () => {
  it('returns all options that send and receive need', () => {
    assert.deepEqual(flagsFor(settings(), false), {
      send: '--codec zstd --compress-level 1 --compress-threads 2 --chunk-size 1MiB',
      receive: '--decompress-threads 1',
    });
    assert.ok(!flagsFor(settings({ codec: 'none' }), false).send.includes('level'));
  });

  it('asks for memory, only beyond the default of 320 MiB', () => {
    const limit = (which: Settings, identities: boolean): number => {
      const { send } = flagList(which, identities);
      const at = send.indexOf('--memory-limit');
      return at < 0 ? 320 : Number.parseInt(send[at + 1]!, 10);
    };
    const threads = (compress: number): Settings['threads'] => ({ compress, decompress: 1 });
    // An image's pages come once: all of the default is there for slots.
    assert.equal(limit(settings({ threads: threads(8) }), false), 320);
    const many = settings({ threads: threads(16), chunkSize: 4 * MIB });
    assert.ok(limit(many, false) > 320 && limit(many, false) % 64 === 0);
    assert.ok(limit(many, true) > limit(many, false), 'a page store needs its own');
  });
});
