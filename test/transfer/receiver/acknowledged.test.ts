// Which decoded bytes a receiver acknowledges.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Acknowledged } from '../../../src/transfer/receiver/acknowledged.js';

describe('Acknowledged', () => {
  it('counts completed writes, output that does not know what was read', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count(undefined, 0, 0), 0);
    assert.equal(acknowledged.count({}, 100, 150), 100);
  });

  it('counts what the reader has taken, pipe with a pending write', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count({ unread: () => 120 }, 100, 150), 30);
    assert.equal(acknowledged.count({ unread: () => 10 }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => 0 }, 150, 150), 150);
  });

  it('never falls, pipe that was closed or that others write to', () => {
    const acknowledged = new Acknowledged();
    assert.equal(acknowledged.count({ unread: () => 10 }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => undefined }, 100, 150), 140);
    assert.equal(acknowledged.count({ unread: () => 300 }, 100, 150), 140);
  });
});
