// The rule of the soak: it finds each violation, and reports none for allowed outcomes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { type End, outcomeOf, type Trial, violations } from './rules.js';

const end = (status: number | null, more: Partial<End> = {}): End => ({
  status,
  signal: status === null ? 'SIGKILL' : null,
  killed: false,
  hung: false,
  said: true,
  ...more,
});
const trial = (more: Partial<Trial>): Trial => ({
  sender: end(0),
  receiver: end(0),
  destination: { output: 'whole', leftovers: [] },
  duplex: true,
  ...more,
});
const absent = { output: 'absent', leftovers: [] } as const;

describe('violations', () => {
  it('name an outcome by the exit status', () => {
    const names = [0, 4, 5, 7, 9, 143].map((status) => outcomeOf(end(status)));
    assert.deepEqual(names, ['completed', 'failed', 'failed', 'unknown', 'incomplete', 'failed']);
    assert.equal(outcomeOf(end(null, { killed: true })), 'killed');
  });

  it('allow success, failure without output, and an unknown outcome with either', () => {
    assert.deepEqual(violations(trial({})), []);
    assert.deepEqual(violations(trial({ sender: end(4), receiver: end(5), destination: absent })), []);
    assert.deepEqual(violations(trial({ sender: end(7) })), []);
    assert.deepEqual(violations(trial({ sender: end(7), receiver: end(4), destination: absent })), []);
    const killed = end(null, { killed: true });
    assert.deepEqual(violations(trial({ sender: killed })), []);
    const left = { output: 'absent', leftovers: ['.ramferry-1.tmp'] } as const;
    assert.deepEqual(violations(trial({ sender: end(4), receiver: killed, destination: left })), []);
  });

  it('find a guest that is lost', () => {
    assert.deepEqual(violations(trial({ destination: absent })), ['false success']);
    assert.deepEqual(violations(trial({ receiver: end(4), destination: absent })), ['false success']);
  });

  it('find a guest that runs twice', () => {
    assert.deepEqual(violations(trial({ sender: end(4) })), ['doubled']);
    assert.deepEqual(violations(trial({ sender: end(9) })), ['false incomplete', 'doubled']);
    assert.deepEqual(violations(trial({ sender: end(4), duplex: false })), []);
  });

  it("leave a live guest's fate to its hypervisors", () => {
    const live = (source: End, destination: End, sender = end(0)): string[] =>
      violations(trial({ sender, destination: absent, guests: { source, destination } }));
    assert.deepEqual(live(end(0), end(0)), []);
    assert.deepEqual(live(end(4), end(0), end(7)), []);
    assert.deepEqual(live(end(4), end(4), end(4)), []);
    assert.deepEqual(live(end(0), end(4), end(4)), ['false success']);
    assert.deepEqual(live(end(4), end(4)), ['false success']);
  });

  it('find a half file, a hang, a crash, silence and leftovers', () => {
    const half = { output: 'other', leftovers: [] } as const;
    assert.deepEqual(violations(trial({ sender: end(4), receiver: end(5), destination: half })), [
      'half file',
    ]);
    assert.deepEqual(violations(trial({ receiver: end(null, { hung: true }) })), ['hang']);
    assert.deepEqual(violations(trial({ receiver: end(null) })), ['crash']);
    assert.deepEqual(violations(trial({ receiver: end(1) })), ['crash']);
    assert.deepEqual(violations(trial({ receiver: end(0, { said: false }) })), ['silent']);
    const left = { output: 'whole', leftovers: ['x.tmp'] } as const;
    assert.deepEqual(violations(trial({ destination: left })), ['leftover']);
  });
});
