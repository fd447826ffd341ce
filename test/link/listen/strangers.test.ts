// Connections that are no peer: who makes room, and what the log says of them. The clock is the test's own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Crowd, MOST_STRANGERS, Refusals } from '../../../src/link/listen/strangers.js';

const from = (host: string) => ({ from: `${host}:1`, host });

describe('a crowd of strangers', () => {
  it('makes room at the cost of the oldest of the busiest host', () => {
    let now = 0;
    const crowd = new Crowd(() => now);
    const peer = from('peer');
    crowd.add(peer);
    const scanner = Array.from({ length: MOST_STRANGERS - 1 }, () => from('scanner'));
    for (const each of scanner) assert.equal(crowd.add(each), undefined);
    now = 2_000;
    assert.equal(crowd.add(from('scanner')), scanner[0]);
    assert.equal(crowd.add(from('third')), scanner[1]);
    assert.equal(crowd.size, MOST_STRANGERS);
    assert.ok([...crowd].includes(peer));
  });

  it('has room for a burst of peers, within bounds', () => {
    const crowd = new Crowd(() => 0);
    const first = from('source');
    crowd.add(first);
    for (let i = 1; i < 1024; i++) assert.equal(crowd.add(from('source')), undefined, String(i));
    assert.equal(crowd.add(from('source')), first);
  });

  it('forgets connections that have said what they are', () => {
    const crowd = new Crowd(() => 0);
    const one = from('a');
    crowd.add(one);
    crowd.delete(one);
    assert.equal(crowd.size, 0);
  });
});

describe('the log of refusals', () => {
  it('lists each host, however many connections another has made', () => {
    const lines: string[] = [];
    const refusals = new Refusals(
      (text) => lines.push(text),
      'refused',
      () => 0,
    );
    for (let i = 0; i < 1000; i++) refusals.report(from('scanner'), 'garbage');
    assert.equal(lines.length, 16 + 5);
    assert.match(lines.at(-1)!, /number 512 of this host; 255 others are not listed/);
    refusals.report(from('peer'), 'expired');
    assert.match(lines.at(-1)!, /^refused a connection from peer:1: expired \(488 others are not listed\)$/);
    assert.equal(refusals.count, 1001);
  });

  it('is bounded however many hosts there are, and goes on later', () => {
    let now = 0;
    const lines: string[] = [];
    const refusals = new Refusals(
      (text) => lines.push(text),
      'refused',
      () => now,
    );
    for (let i = 0; i < 5000; i++) refusals.report(from(`host-${i}`), 'garbage');
    assert.equal(lines.length, 128);
    now = 60_000;
    for (let i = 0; i < 100; i++) refusals.report(from(`late-${i}`), 'garbage');
    assert.equal(lines.length, 128 + 6);
    assert.match(lines[128]!, /late-0:1: garbage \(4872 others are not listed\)/);
  });
});
