// When a sender keeps to what its receiver has delivered.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { followDelivery } from '../../../src/transfer/pace/follow-delivery.js';
import { HELLO } from '../support/peers.js';

const CHUNK = 65_536;
const SOCKET = {};
const FILE = { file: { path: '', fd: -1, size: 1, alignment: 1 } };
const SPEAKS = { ...HELLO, progressInterval: 10 };

describe('a sender', () => {
  it('keeps to the word of a receiver that says that it gives it often', async () => {
    const listeners: ((bytes: number) => void)[] = [];
    const ear = { onDelivered: (listener: (bytes: number) => void) => void listeners.push(listener) };
    const window = followDelivery(ear, SPEAKS, SOCKET, CHUNK, 3)!;
    assert.equal(window.limit, 3 * CHUNK);
    listeners[0]!(1);
    window.sent(4 * CHUNK);
    const room = window.room();
    listeners[0]!(4 * CHUNK);
    assert.equal(await room, true, 'the word reaches the window');
  });

  it('goes by the link alone where the receiver is an older one, speaks seldom, or says nothing', () => {
    const ear = { onDelivered: () => assert.fail('nothing is asked of it') };
    assert.equal(followDelivery(ear, HELLO, SOCKET, CHUNK, 3), undefined);
    assert.equal(followDelivery(ear, { ...HELLO, progressInterval: 500 }, SOCKET, CHUNK, 3), undefined);
    assert.equal(followDelivery(undefined, undefined, SOCKET, CHUNK, 3), undefined);
  });

  it('does so with files, too: nobody waits for them', () => {
    assert.equal(followDelivery({ onDelivered: () => assert.fail() }, SPEAKS, FILE, CHUNK, 3), undefined);
  });
});
