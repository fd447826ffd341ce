// Source and destination over a duplex link.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RamferryError } from '../../src/errors.js';
import { createGuest } from '../../src/guest/guest.js';
import { receiveGuest } from '../../src/guest/receive.js';
import { MESSAGE, messageNumber, sendMessage } from '../../src/guest/return-path.js';
import { sendGuest, type SendGuestOptions } from '../../src/guest/send.js';
import type { Channel } from '../../src/io/bytes.js';
import { MIB } from '../../src/units.js';
import { assertSameRam, code, FakeClock, HEAVY, LIMIT, Pipe, smallGuest } from './harness.js';

function pair(change?: (bytes: Buffer) => Buffer): {
  source: Channel;
  destination: Channel;
  back: Pipe;
  forward: Pipe;
} {
  const forward = new Pipe(change);
  const back = new Pipe();
  return {
    source: { source: back, sink: forward, duplex: true },
    destination: { source: forward, sink: back, duplex: true },
    back,
    forward,
  };
}

const LOAD: SendGuestOptions = {
  policy: HEAVY.policy,
  load: { ...HEAVY.load!, workingSetPages: 200, firstPage: 0, rate: { pagesPerRound: 300 } },
};

describe('the return path of a simulated guest', () => {
  for (const format of ['qemu', 'libxc-pv', 'xl-pvh'] as const) {
    it(`acknowledges the guest and compares its RAM (${format})`, async () => {
      const guest = await smallGuest(format, MIB);
      const { source, destination } = pair();
      const [sent, received] = await Promise.all([
        sendGuest(source, guest, LOAD),
        receiveGuest(destination, { limitBytes: LIMIT }),
      ]);
      assert.ok(sent.acknowledged);
      assert.equal(sent.hash, received.hash);
      assert.equal(received.verified, false);
      assertSameRam(received.ram, guest.ram);
    });
  }

  it('opens as in QEMU: OPEN_RETURN_PATH, then PING 1', async () => {
    const written: Buffer[] = [];
    const guest = await smallGuest('qemu', MIB / 4);
    const { source, destination } = pair((bytes) => {
      written.push(Buffer.from(bytes));
      return bytes;
    });
    await Promise.all([
      sendGuest(source, guest, { policy: { kind: 'fixed', rounds: 1 } }),
      receiveGuest(destination, { limitBytes: LIMIT }),
    ]);
    assert.ok(Buffer.concat(written).includes(Buffer.from('0800010000' + '080002000400000001', 'hex')));
  });

  it('measures the downtime from the pause to the acknowledgement, whatever follows', async () => {
    const clock = new FakeClock();
    const guest = await smallGuest('qemu', MIB);
    const { source, destination, back } = pair();
    const receiving = receiveGuest(destination, { limitBytes: LIMIT });
    const write = back.write.bind(back);
    // Each message on the return path takes 40 ms. PONG arrives before the end of the pause, the hash after it.
    back.write = (bytes) => {
      const type = Buffer.from(bytes).readUInt16BE();
      clock.time += type === MESSAGE.shut ? 40 : type === MESSAGE.hash ? 1000 : 0;
      return write(bytes);
    };
    const sent = await sendGuest(source, guest, { ...LOAD, clock });
    await receiving;
    assert.equal(sent.downtimeMilliseconds, 40);
    assert.equal(clock.pending, 0);
  });

  it('reports RAM that arrived changed', async () => {
    const guest = await smallGuest('libxc-pv', MIB);
    let left = 100_000;
    const { source, destination } = pair((bytes) => {
      left -= bytes.length;
      if (left < 0 && left > -bytes.length) bytes[bytes.length - 5]! ^= 1;
      return bytes;
    });
    const [sent] = await Promise.allSettled([
      sendGuest(source, guest, { policy: { kind: 'fixed', rounds: 1 } }),
      receiveGuest(destination, { limitBytes: LIMIT }),
    ]);
    assert.ok(sent.status === 'rejected');
    code('ERR_STREAM_CHECKSUM')(sent.reason);
  });

  it('fails the source when the destination cannot load the guest', async () => {
    const guest = await smallGuest('libxc-pvh', MIB);
    const { source, destination } = pair();
    const [sent, received] = await Promise.allSettled([
      sendGuest(source, guest, LOAD),
      receiveGuest(destination, { limitBytes: MIB / 2 }),
    ]);
    assert.ok(received.status === 'rejected');
    code('ERR_STREAM_LIMIT')(received.reason);
    assert.ok(sent.status === 'rejected');
    code('ERR_PEER_FAILED')(sent.reason);
  });

  it('ends the wait for an answer at its deadline', async () => {
    const clock = new FakeClock();
    const guest = await smallGuest('qemu', MIB);
    const { source } = pair();
    const sending = sendGuest(source, guest, { ...LOAD, clock, acknowledgeTimeout: 500 });
    const timer = setInterval(() => {
      if (clock.pending > 0) clock.advance(500);
    }, 1);
    await assert.rejects(sending, code('ERR_LINK_TIMEOUT'));
    clearInterval(timer);
  });

  it('refuses malformed answers', async () => {
    for (const [answer, expected] of [
      [Buffer.from([0, 1, 0xff, 0xff]), 'ERR_STREAM_LIMIT'],
      [Buffer.from([0, 1, 0, 0]), 'ERR_STREAM_FORMAT'],
      [Buffer.from([0, 1, 0, 4, 0]), 'ERR_STREAM_TRUNCATED'],
      [Buffer.from([0, 1, 0, 4, 0, 0, 0, 7]), 'ERR_PEER_FAILED'],
      [Buffer.alloc(0), 'ERR_STREAM_TRUNCATED'],
    ] as const) {
      const guest = await createGuest({ format: 'qemu', memory: { bytes: 4096, profile: 'busy' }, seed: 1 });
      const { source, back } = pair();
      if (answer.length > 0) await back.write(answer);
      await back.finish();
      await assert.rejects(
        sendGuest(source, guest, { policy: { kind: 'fixed', rounds: 1 } }),
        code(expected),
      );
    }
  });

  it('skips unrequested messages', async () => {
    const guest = await smallGuest('libxc-pv', MIB / 4);
    const { source, back } = pair();
    await sendMessage(back, MESSAGE.pong, messageNumber(1));
    await sendMessage(back, 77, Buffer.alloc(9));
    await sendMessage(back, MESSAGE.shut, messageNumber(0));
    const data = Buffer.alloc(8);
    data.writeBigUInt64BE(guest.ram.hash());
    await sendMessage(back, MESSAGE.hash, data);
    const { acknowledged } = await sendGuest(source, guest, { policy: { kind: 'fixed', rounds: 1 } });
    assert.ok(acknowledged);
  });

  it('throws nothing but RamferryError at the destination when the source dies', async () => {
    const { destination, forward } = pair();
    const receiving = receiveGuest(destination, { limitBytes: LIMIT });
    await forward.write(Buffer.from('QEVM'));
    await forward.finish();
    await assert.rejects(
      receiving,
      (error) => error instanceof RamferryError && error.code === 'ERR_STREAM_TRUNCATED',
    );
  });
});
