// System calls on memory: `populate` makes memory resident and leaves its content alone; a Populator goes through all of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { libc } from '../../src/os/libc.js';
import { Populator } from '../../src/os/memory/populator.js';
import { MIB } from '../../src/units.js';

/** Resident bytes of this process. */
function resident(): number {
  return 4096 * Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
}

/** Bytes of this process in large pages; undefined where the kernel gives none on request. */
function largeBytes(): number | undefined {
  try {
    const enabled = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'latin1');
    if (enabled.includes('[never]')) return undefined;
    return (
      1024 * Number(/AnonHugePages:\s+(\d+)/.exec(readFileSync('/proc/self/smaps_rollup', 'latin1'))![1])
    );
  } catch {
    return undefined;
  }
}

describe('populate', () => {
  it('makes whole pages resident and keeps their content', (test) => {
    const calls = libc();
    if (calls === undefined) return test.skip('koffi has no binary for this machine');
    const memory = new SharedArrayBuffer(64 * MIB);
    const bytes = new Uint8Array(memory);
    bytes[MIB] = 7;
    const before = resident();
    calls.populate(memory, 5, 48 * MIB, false);
    const grown = resident() - before;
    if (grown < MIB) return test.skip('this kernel has no MADV_POPULATE_WRITE');
    assert.ok(grown > 40 * MIB && grown < 56 * MIB, `${grown}`);
    assert.equal(bytes[MIB], 7);
    assert.equal(bytes[2 * MIB], 0);
  });

  it('gives large pages, where the kernel has them', (test) => {
    const calls = libc();
    const before = largeBytes();
    if (calls === undefined || before === undefined) return test.skip('no koffi, or no large pages');
    const memory = new SharedArrayBuffer(64 * MIB);
    const populator = new Populator(memory);
    for (let end = 0; end < memory.byteLength;) end = populator.next();
    // Small pages follow slow large ones, so a host may give few.
    assert.ok(largeBytes()! >= before + 2 * MIB, 'no large page at all');
  });

  it('takes less than a page', (test) => {
    const calls = libc();
    if (calls === undefined) return test.skip('koffi has no binary for this machine');
    calls.populate(new SharedArrayBuffer(8192), 1, 100, true);
    calls.populate(new SharedArrayBuffer(1), 0, 1, true);
  });
});

describe('Populator', () => {
  it('reaches the end in steps of at most a large page, content kept', () => {
    libc();
    const memory = new SharedArrayBuffer(9 * MIB + 5);
    const bytes = new Uint8Array(memory);
    bytes[5 * MIB] = 9;
    const populator = new Populator(memory);
    for (let end = 0; end < memory.byteLength;) {
      const next = populator.next();
      assert.ok(next > end && (next - end <= 2 * MIB || libc() === undefined), `${end} to ${next}`);
      end = next;
    }
    assert.equal(bytes[5 * MIB], 9);
    assert.ok(bytes.every((byte, at) => at === 5 * MIB || byte === 0));
  });
});
