// A source that counts how long it is waited for.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { ByteSource } from '../../src/io/bytes.js';
import { WaitingSource } from '../../src/io/waiting-source.js';
import { MemorySource } from '../transfer/support/memory-link.js';

/** A source that gives one byte whenever it is told to. */
function held(): { source: ByteSource; give: () => void } {
  let give = (): void => undefined;
  const source: ByteSource = {
    label: 'held',
    read: () => new Promise((resolve) => (give = () => resolve(1))),
    close: () => Promise.resolve(),
  };
  return { source, give: () => give() };
}

/** Until the clock has gone on. */
function pass(): void {
  const from = performance.now();
  while (performance.now() - from < 2);
}

describe('WaitingSource', () => {
  it('passes on the bytes and the end', async () => {
    const source = new WaitingSource(new MemorySource(Buffer.from('abcde'), 3));
    const target = new Uint8Array(10);
    assert.equal(await source.read(target), 3);
    assert.equal(await source.read(target.subarray(3)), 2);
    assert.equal(await source.read(target), 0);
    assert.equal(Buffer.from(target.subarray(0, 5)).toString(), 'abcde');
  });

  it('counts the time of finished and pending reads only', async () => {
    const { source, give } = held();
    const watched = new WaitingSource(source);
    const before = watched.waiting;
    pass();
    assert.equal(watched.waiting.waited, before.waited, 'no read is under way');
    assert.ok(watched.waiting.clock >= before.clock + 2_000);
    const reading = watched.read(new Uint8Array(1));
    pass();
    const during = watched.waiting;
    assert.ok(during.waited >= 2_000, 'it still waits');
    give();
    await reading;
    const after = watched.waiting;
    assert.ok(after.waited >= during.waited);
    pass();
    assert.equal(watched.waiting.waited, after.waited);
  });

  it('has patience() only if the source has it', () => {
    assert.equal(new WaitingSource(held().source).patience, undefined);
    let told = 0;
    new WaitingSource({ ...held().source, patience: (ms) => (told = ms) }).patience!(7);
    assert.equal(told, 7);
  });
});
