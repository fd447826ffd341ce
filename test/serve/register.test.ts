// The results that a server keeps for senders whose link broke: bounded in number and in bytes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { MOST_KEPT, MOST_KEPT_BYTES, Register } from '../../src/serve/register.js';
import { deferred } from '../../src/os/deferred.js';

class Keeping {
  readonly register = new Register();
  readonly forgotten: string[] = [];
  #id = 1;

  /** @returns ends the time for which the result is kept */
  keep(name: string, ok: boolean, host: string, bytes = 1000): () => void {
    const served = this.register.begin({ id: this.#id++, name, direction: 'incoming', peer: host });
    const late = deferred<undefined>();
    served.controller.signal.addEventListener('abort', () => {
      this.forgotten.push(name);
      late.resolve(undefined);
    });
    this.register.keep(served, late.promise, { ok, bytes, host });
    return () => late.resolve(undefined);
  }
}

describe('Register.keep', () => {
  it('forgets failures of the busiest host first, when there are too many', () => {
    const keeping = new Keeping();
    keeping.keep('success', true, 'hostile');
    keeping.keep('other', false, 'friend');
    for (let i = 2; i < MOST_KEPT; i++) keeping.keep(`failure ${i}`, false, 'hostile');
    assert.equal(keeping.forgotten.length, 0);
    for (let i = 0; i < 1000; i++) keeping.keep(`flood ${i}`, false, 'hostile');
    assert.equal(keeping.forgotten.length, 1000);
    assert.equal(keeping.forgotten[0], 'failure 2');
    assert.ok(!keeping.forgotten.includes('success') && !keeping.forgotten.includes('other'));
  });

  it('forgets the oldest success of the busiest host, when there are no failures', () => {
    const keeping = new Keeping();
    keeping.keep('friend', true, 'friend');
    for (let i = 1; i <= MOST_KEPT; i++) keeping.keep(`success ${i}`, true, 'busy');
    assert.deepEqual(keeping.forgotten, ['success 1']);
  });

  it('bounds the bytes, also those of one', () => {
    const keeping = new Keeping();
    keeping.keep('one', true, 'host', MOST_KEPT_BYTES / 2);
    keeping.keep('two', true, 'host', MOST_KEPT_BYTES / 2);
    assert.equal(keeping.forgotten.length, 0);
    keeping.keep('three', true, 'host', 1);
    assert.deepEqual(keeping.forgotten, ['one']);
    keeping.keep('huge', true, 'host', MOST_KEPT_BYTES + 1);
    assert.deepEqual(keeping.forgotten, ['one', 'two', 'three', 'huge']);
  });

  it('counts no result whose time is over', async () => {
    const keeping = new Keeping();
    const ends = Array.from({ length: MOST_KEPT }, (_, i) => keeping.keep(`${i}`, true, 'host'));
    for (const end of ends) end();
    await new Promise(setImmediate);
    keeping.keep('next', true, 'host');
    assert.equal(keeping.forgotten.length, 0);
  });
});
