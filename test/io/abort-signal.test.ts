// A signal is heeded once, at once where it has come already, and not after it was forgotten.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';

import { onAbort } from '../../src/io/abort-signal.js';

describe('a signal that is heeded', () => {
  it('calls the handler once, signal aborted later', () => {
    const controller = new AbortController();
    let acted = 0;
    onAbort(controller.signal, () => acted++);
    assert.equal(acted, 0);
    controller.abort();
    controller.abort();
    assert.equal(acted, 1);
  });

  it('calls the handler at once, signal aborted before', () => {
    let acted = 0;
    onAbort(AbortSignal.abort(), () => acted++)();
    assert.equal(acted, 1);
  });

  it('removes its listener', () => {
    const controller = new AbortController();
    const forget = onAbort(controller.signal, () => assert.fail('the listener was removed'));
    forget();
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    controller.abort();
  });

  it('does nothing, no signal', () => {
    onAbort(undefined, () => assert.fail('there is no signal'))();
  });
});
