// The size of libuv's thread pool, as UV_THREADPOOL_SIZE states it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { setThreadPoolSize, threadPoolSize } from '../../../src/os/processor/thread-pool.js';

describe('setThreadPoolSize', () => {
  it('accepts a positive integer', () => {
    setThreadPoolSize('16');
    assert.equal(threadPoolSize(), 16);
  });

  for (const text of [undefined, '', 'abc', '0', '-2', '2.5', 'Infinity']) {
    it(`takes libuv's default of 4, value ${text === undefined ? 'unset' : `'${text}'`}`, () => {
      setThreadPoolSize('16');
      setThreadPoolSize(text);
      assert.equal(threadPoolSize(), 4);
    });
  }
});
