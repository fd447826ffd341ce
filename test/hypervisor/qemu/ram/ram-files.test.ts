// Which files ramferry accepts as RAM, and why it refuses others.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';

import { findVerdict, sayingMessage } from '../../../../src/hypervisor/qemu/messages.js';
import { closeRamFiles, openRamFiles } from '../../../../src/hypervisor/qemu/ram/ram-files.js';

describe('openRamFiles', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-files-'));
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, bytes: number): string => {
    const full = path.join(directory, name);
    fs.writeFileSync(full, Buffer.alloc(bytes, 1));
    return full;
  };

  it('requires whole pages', () => {
    assert.throws(() => openRamFiles([file('odd', 5000)], 'read'), { code: 'ERR_GUEST_RAM' });
    assert.throws(() => openRamFiles([file('empty', 0)], 'read'), { code: 'ERR_GUEST_RAM' });
  });

  it('requires existing regular files, each named once', () => {
    const good = file('good', 8192);
    assert.throws(() => openRamFiles([directory], 'read'), { code: 'ERR_GUEST_RAM' });
    assert.throws(() => openRamFiles([path.join(directory, 'none')], 'write'), {
      code: 'ERR_GUEST_RAM',
      message: /cannot be opened/,
    });
    assert.equal(fs.existsSync(path.join(directory, 'none')), false);
    assert.throws(() => openRamFiles([good, good], 'read'), { code: 'ERR_GUEST_RAM', message: /twice/ });
  });

  it('accepts a file without a name, by the descriptor of another process', async () => {
    const name = file('gone', 8192);
    const holder = spawn('sleep', ['60'], { stdio: [fs.openSync(name, 'r+'), 'ignore', 'ignore'] });
    try {
      await once(holder, 'spawn');
      fs.rmSync(name);
      const files = openRamFiles([`/proc/${holder.pid}/fd/0`], 'write');
      assert.equal(files[0]!.size, 8192);
      closeRamFiles(files);
    } finally {
      holder.kill();
    }
  });
});

describe('findVerdict', () => {
  it('finds the verdict among other bytes that begin within a message', () => {
    const running = sayingMessage({ say: 'running' });
    const ready = sayingMessage({ say: 'ready' });
    assert.deepEqual(findVerdict(Buffer.concat([ready.subarray(5), running])), { say: 'running' });
    assert.equal(findVerdict(ready), undefined);
    assert.equal(findVerdict(running.subarray(0, -1)), undefined);
    const damaged = Buffer.from(running);
    damaged[damaged.length - 1]! ^= 1;
    assert.equal(findVerdict(damaged), undefined);
  });
});
