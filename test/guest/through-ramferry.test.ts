// A guest that migrates through ramferry: source, send, receive and destination, connected by sockets.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { receiveGuest } from '../../src/guest/receive.js';
import { sendGuest } from '../../src/guest/send.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { MIB } from '../../src/units.js';
import { assertSameRam, HEAVY, LIMIT, oneWay, smallGuest } from './harness.js';

describe('send and receive under a guest that dirties memory', () => {
  for (const [format, duplex] of [
    ['qemu', true],
    ['qemu', false],
    ['libxc-pv', false],
    ['xl-pvh', true],
  ] as const) {
    it(`deliver its RAM${duplex ? ' and the acknowledgement' : ''} (${format})`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'ramferry-through-'));
      try {
        const [first, second, third] = ['a', 'b', 'c'].map((name) => join(folder, name));
        const guest = await smallGuest(format, 4 * MIB);
        const arriving = openInput(parseAddress(`unix-listen:${third!}`)).then((channel) =>
          receiveGuest({ ...channel, duplex }, { limitBytes: LIMIT }),
        );
        const leaving = openOutput(parseAddress(`unix:${first!}`)).then((channel) =>
          sendGuest({ ...channel, duplex }, guest, {
            policy: { kind: 'converge', downtimeLimit: 5, maxRounds: 3 },
            load: { pattern: 'lines', workingSetPages: 500, seed: 1, rate: { pagesPerSecond: 5000 } },
          }),
        );
        const [sent, received, sendSummary, receiveSummary] = await Promise.all([
          leaving,
          arriving,
          send({ input: `unix-listen:${first!}`, output: `unix:${second!}`, compressThreads: 1 }),
          receive({ input: `unix-listen:${second!}`, output: `unix:${third!}`, decompressThreads: 1 }),
        ]);
        assert.equal(received.bytes, sent.bytes);
        assert.equal(sent.acknowledged, duplex);
        assert.equal(received.verified, !duplex);
        assert.equal(received.hash, sent.hash);
        assertSameRam(received.ram, guest.ram);
        assert.equal(sendSummary.status, 'completed');
        assert.equal(receiveSummary.status, 'completed');
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});

describe('rounds in the statistics of send', () => {
  for (const format of ['qemu', 'libxc-pv'] as const) {
    it(`count each round and its pages (${format})`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'ramferry-rounds-'));
      try {
        const [first, file] = ['a', 'stream'].map((name) => join(folder, name));
        const guest = await smallGuest(format, 8 * MIB);
        const leaving = openOutput(parseAddress(`unix:${first!}`)).then((channel) =>
          sendGuest({ ...channel, duplex: false }, guest, HEAVY),
        );
        const [sent, sendSummary] = await Promise.all([
          leaving,
          send({ input: `unix-listen:${first!}`, output: file!, compressThreads: 1 }),
        ]);
        assert.equal(sent.rounds.length, 4);
        assert.equal(sendSummary.ram.dirtySyncCount, 4);
        // Every round dirties the whole working set again.
        assert.equal(sendSummary.convergence?.dirtySyncCount, 4);
        assert.ok(sendSummary.ram.dirtyPagesRate! > 0);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }

  it('are counted without a prediction when the stream comes from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ramferry-rounds-'));
    try {
      const [stream, file] = ['a', 'b'].map((name) => join(folder, name));
      const channel = await openOutput(parseAddress(stream!));
      await sendGuest(oneWay(channel.sink!), await smallGuest('libxc-pv', 8 * MIB), HEAVY);
      const summary = await send({ input: stream!, output: file!, compressThreads: 1 });
      assert.equal(summary.ram.dirtySyncCount, 4);
      assert.equal(summary.convergence, undefined);
      assert.equal(summary.ram.dirtyPagesRate, undefined);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
