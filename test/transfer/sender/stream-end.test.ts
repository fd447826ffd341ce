// The error after a broken input connection: the side that broke it decides whether the input or the link failed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import { incomplete } from '../../../src/grammar/grammar.js';
import { brokenInput } from '../../../src/transfer/sender/stream-end.js';
import { MemorySource } from '../support/memory-link.js';

const cut = { end: () => incomplete('it breaks off within RAM') };
const whole = { end: () => ({ state: 'seen' }) as const };
const source = new MemorySource(Buffer.alloc(0));

/** Errors of a socket: the peer has reset it, and this side has closed it. */
const byPeer = new RamferryError('ERR_LINK_CLOSED', 'reset', { cause: new Error('ECONNRESET') });
const byThisSide = new RamferryError('ERR_LINK_CLOSED', 'closed');

describe('brokenInput', () => {
  it('reports an incomplete input, the writer reset within the stream', () => {
    assert.equal(brokenInput(byPeer, cut, source, 5).code, 'ERR_INPUT_INCOMPLETE');
  });

  it('reports the link, this side closed the input because the receiver had failed', () => {
    assert.equal(brokenInput(byThisSide, cut, source, 5), byThisSide);
  });

  it('reports the link, the writer reset after the end of the stream', () => {
    assert.equal(brokenInput(byPeer, whole, source, 5), byPeer);
  });

  it('passes other errors of the input on', () => {
    const error = new RamferryError('ERR_INPUT_READ', 'EIO');
    assert.equal(brokenInput(error, cut, source, 5), error);
  });
});
