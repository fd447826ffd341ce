// When a process began: of one that runs, one that has ended, and one that cannot be looked at.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, it, mock } from 'node:test';

import { startTime, UNREADABLE } from '../../../src/os/process/process-start.js';

describe('startTime', () => {
  it('is a number of ticks, the same at each look, while the process runs', () => {
    const started = startTime(process.pid);
    assert.match(started ?? '', /^[1-9]\d*$/);
    assert.equal(startTime(process.pid), started);
  });

  it('is undefined when the process has ended', async () => {
    const child = spawn('true', { stdio: 'ignore' });
    await once(child, 'exit');
    assert.equal(startTime(child.pid!), undefined);
  });

  it('does not count a process as ended that cannot be looked at', () => {
    const failure = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    const reads = mock.method(fs, 'readFileSync', () => {
      throw failure;
    });
    try {
      assert.equal(startTime(process.pid), UNREADABLE);
    } finally {
      reads.mock.restore();
    }
  });
});
