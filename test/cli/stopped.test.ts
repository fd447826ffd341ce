// Both sides of a transfer are stopped for longer than --io-timeout and continued, like a paused virtual machine or the cgroup
// freezer. The link is intact, and the transfer continues.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { image, workplace } from '../transfer/support/carry.js';
import { Command } from './command.js';

const place = workplace();

describe('transfer with both processes stopped (SIGSTOP) and continued', { timeout: 120_000 }, () => {
  it('completes, pause longer than --io-timeout', async () => {
    const limit = ['--json', '--io-timeout', '4s'];
    const output = place.path('restored');
    const receiver = new Command(['receive', ...limit, 'tcp-listen:127.0.0.1:0', output]);
    const [, address] = await receiver.says(/"address":"(tcp:[^"]+)"/);
    const sender = new Command(['send', ...limit, '-', address!]);
    const bytes = image(4 * 1024 * 1024);
    const half = bytes.length / 2;
    sender.process.stdin.write(bytes.subarray(0, half));
    await receiver.says(/"message_type":"status".*"guest-bytes":[1-9]/);
    for (const { process } of [sender, receiver]) process.kill('SIGSTOP');
    await setTimeout(8000);
    // The sender continues first, so it has nothing to read when its timer fires.
    sender.process.kill('SIGCONT');
    await setTimeout(1500);
    receiver.process.kill('SIGCONT');
    await setTimeout(500);
    sender.process.stdin.end(bytes.subarray(half));
    const [sent, received] = await Promise.all([
      sender.within('its end', sender.ended),
      receiver.within('its end', receiver.ended),
    ]);
    assert.equal(sent.status, 0, sent.stderr);
    assert.equal(received.status, 0, received.stderr);
    assert.ok(readFileSync(output).equals(bytes));
  });
});
