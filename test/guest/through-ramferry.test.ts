// A guest that moves through the product: source, send, receive and destination in a row, over sockets.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { receiveGuest } from '../../src/guest/receive.js';
import { sendGuest } from '../../src/guest/send.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import { receive } from '../../src/migration/receive.js';
import { send } from '../../src/migration/send.js';
import { assertSameRam, LIMIT, MIB, smallGuest } from './harness.js';

describe('a guest that dirties memory while ramferry carries it', () => {
  for (const [format, duplex] of [
    ['qemu', true],
    ['qemu', false],
    ['libxc-pv', false],
    ['xl-pvh', true],
  ] as const) {
    it(`arrives whole${duplex ? ' and is acknowledged' : ''} (${format})`, async () => {
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
        const [sent, received, there, here] = await Promise.all([
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
        assert.equal(there.status, 'completed');
        assert.equal(here.status, 'completed');
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});
