import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { predictLive } from '../../../src/tune/model/live.js';

const GUEST = { guestBytes: 1e9, guestRate: 1e8, downtimeLimit: 0.3, startUp: 0.5 };

describe('predictLive', () => {
  it('sends all memory once, for a guest that writes nothing', () => {
    const live = predictLive({ ...GUEST, dirtyRate: 0 });
    assert.deepEqual(live, { converges: true, rounds: 2, total: 10.5, downtime: 0, sent: 1e9 });
  });

  it('shortens each round by the share that is dirtied', () => {
    const live = predictLive({ ...GUEST, dirtyRate: 1e7 });
    // 10 s, 1 s; what the second leaves takes 0.1 s.
    assert.equal(live.rounds, 3);
    assert.ok(Math.abs(live.total! - 11.6) < 1e-9);
    assert.ok(Math.abs(live.downtime! - 0.1) < 1e-9);
    assert.ok(Math.abs(live.sent! - 1.11e9) < 1);
  });

  it('does not converge, for a guest that dirties as much as arrives', () => {
    assert.deepEqual(predictLive({ ...GUEST, dirtyRate: 1e8 }), { converges: false });
    assert.deepEqual(predictLive({ ...GUEST, dirtyRate: 1e9 }), { converges: false });
  });

  it('pauses no longer than the limit', () => {
    for (const dirtyRate of [1e6, 1e7, 5e7, 9e7]) {
      const live = predictLive({ ...GUEST, dirtyRate });
      assert.ok(live.downtime! <= GUEST.downtimeLimit, `${dirtyRate}`);
    }
  });
});
