// How a transfer gets its next connection: while an attempt runs, its time counts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../../src/errors.js';
import { heal } from '../../../src/link/resume/healing.js';

describe('heal', { timeout: 10_000 }, () => {
  it('asks for the time that is left while an attempt runs', async () => {
    let asked = 0;
    const refused = new RamferryError('ERR_LINK_CONNECT', 'no answer');
    const last = await heal(
      {
        // The time is over when it was asked for a fourth time.
        left: () => (++asked < 4 ? 1_000 : 0),
        isWanted: () => true,
        attempt: async () => {
          for (let pause = 0; pause < 500 && asked < 4; pause++) await sleep(10);
          throw refused;
        },
        onJoined: () => undefined,
      },
      new RamferryError('ERR_LINK_CLOSED', 'the link broke'),
    );
    assert.equal(last, refused);
  });
});
