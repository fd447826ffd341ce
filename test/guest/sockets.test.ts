// A guest over a real socket. The destination acknowledges over the other direction.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { receiveGuest } from '../../src/guest/receive.js';
import { sendGuest } from '../../src/guest/send.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { MIB } from '../../src/units.js';
import { assertSameRam, code, LIMIT, smallGuest } from './harness.js';

it('delivers a guest that dirties memory by the clock over a unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ramferry-guest-'));
  try {
    const path = join(folder, 'socket');
    const guest = await smallGuest('qemu', 16 * MIB);
    const receiving = openInput(parseAddress(`unix-listen:${path}`)).then((channel) =>
      receiveGuest(channel, { limitBytes: LIMIT }),
    );
    const sending = openOutput(parseAddress(`unix:${path}`)).then((channel) =>
      sendGuest(channel, guest, {
        policy: { kind: 'converge', downtimeLimit: 0, maxRounds: 4 },
        load: { pattern: 'counters', workingSetPages: 2000, seed: 1, rate: { pagesPerSecond: 20_000 } },
      }),
    );
    const [sent, received] = await Promise.all([sending, receiving]);
    assert.ok(sent.acknowledged);
    assert.ok(sent.downtimeMilliseconds > 0);
    assert.equal(sent.bytes, received.bytes);
    assert.equal(sent.hash, received.hash);
    assertSameRam(received.ram, guest.ram);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('tells the source over a unix socket why the destination closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ramferry-guest-'));
  try {
    const path = join(folder, 'socket');
    const guest = await smallGuest('libxc-pv', 16 * MIB);
    const receiving = openInput(parseAddress(`unix-listen:${path}`)).then((channel) =>
      receiveGuest(channel, { limitBytes: MIB }),
    );
    const sending = openOutput(parseAddress(`unix:${path}`)).then((channel) =>
      sendGuest(channel, guest, { policy: { kind: 'fixed', rounds: 1 } }),
    );
    await Promise.all([
      assert.rejects(receiving, code('ERR_STREAM_LIMIT')),
      assert.rejects(sending, code('ERR_PEER_FAILED')),
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
