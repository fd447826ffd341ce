// System calls on memory: `populate` makes memory resident and leaves its content alone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { libc } from '../../src/os/libc.js';
import { MIB } from '../../src/units.js';

/** Resident bytes of this process. */
function resident(): number {
  return 4096 * Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
}

describe('populate', () => {
  it('makes whole pages resident and keeps their content', (test) => {
    const calls = libc();
    if (calls === undefined) return test.skip('koffi has no binary for this machine');
    const memory = new SharedArrayBuffer(64 * MIB);
    const bytes = new Uint8Array(memory);
    bytes[MIB] = 7;
    const before = resident();
    calls.populate(memory, 5, 48 * MIB);
    const grown = resident() - before;
    if (grown < MIB) return test.skip('this kernel has no MADV_POPULATE_WRITE');
    assert.ok(grown > 40 * MIB && grown < 56 * MIB, `${grown}`);
    assert.equal(bytes[MIB], 7);
    assert.equal(bytes[2 * MIB], 0);
  });

  it('takes less than a page', (test) => {
    const calls = libc();
    if (calls === undefined) return test.skip('koffi has no binary for this machine');
    calls.populate(new SharedArrayBuffer(8192), 1, 100);
    calls.populate(new SharedArrayBuffer(1), 0, 1);
  });
});
