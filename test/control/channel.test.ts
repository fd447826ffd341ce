// `ControlWriter` and `ControlReader` in memory: pieces of any size, damage, and an early end.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it, mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import {
  CONTROL_MAGIC,
  MESSAGE,
  messageRest,
  readMessage,
  writeMessage,
} from '../../src/control/messages.js';
import { resultMessage } from '../../src/control/negotiation.js';
import { RamferryError } from '../../src/errors.js';
import { ControlReader } from '../../src/control/channel.js';
import { greetingOf, ControlWriter } from '../../src/control/writer.js';
import { isTyped } from '../chunk/typed.js';
import { MemorySink, MemorySource } from '../transfer/support/memory-link.js';
import { HELLO, introduction } from '../transfer/support/peers.js';

function progress(bytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(BigInt(bytes));
  return writeMessage(MESSAGE.progress, body);
}

const OK = resultMessage({ ok: true, bytes: 77 });

function listen(bytes: Uint8Array, piece = Infinity): { reader: ControlReader; relayed: Buffer[] } {
  const relayed: Buffer[] = [];
  const reader = new ControlReader(new MemorySource(bytes, piece), (backward) => {
    relayed.push(Buffer.from(backward));
    return Promise.resolve();
  });
  reader.acceptSuccessWhen(() => true);
  return { reader, relayed };
}

describe('ControlReader', () => {
  const all = [
    introduction(),
    progress(5),
    writeMessage(MESSAGE.backward, Buffer.from('return path')),
    progress(70),
    OK,
  ];

  it('reads all messages, in pieces of any size', async () => {
    for (const piece of [1, 3, 17, Infinity]) {
      const { reader, relayed } = listen(Buffer.concat(all), piece);
      assert.deepEqual(await reader.hello(), HELLO);
      assert.equal((await reader.success()).bytes, 77);
      assert.equal(reader.delivered, 70);
      assert.equal(Buffer.concat(relayed).toString(), 'return path');
    }
  });

  it('rejects success, stream cut at any byte', async () => {
    const whole = Buffer.concat(all);
    for (let cut = 0; cut < whole.length; cut++) {
      const { reader } = listen(whole.subarray(0, cut));
      await assert.rejects(
        reader.success(),
        isTyped('ERR_LINK_CLOSED', 'ERR_LINK_NEGOTIATION'),
        `cut at ${cut}`,
      );
    }
  });

  it('rejects success, any bit damaged', async () => {
    const whole = Buffer.concat([introduction(), OK]);
    for (let bit = 0; bit < whole.length * 8; bit += 3) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(listen(damaged).reader.success(), isTyped(), `bit ${bit}`);
    }
  });

  it('failure: rejects with ERR_PEER_FAILED, and needs no caller', async () => {
    const error = new RamferryError('ERR_OUTPUT_FULL', 'no space left');
    const bytes = Buffer.concat([introduction(), resultMessage({ ok: false, error: error.toData() })]);
    await assert.rejects(listen(bytes).reader.failure(), isTyped('ERR_PEER_FAILED'));
    listen(bytes);
    listen(Buffer.alloc(3));
    await setImmediate();
  });

  it('rejects an unknown message, and any message before hello, with ERR_LINK_NEGOTIATION', async () => {
    const unknown = Buffer.concat([introduction(), writeMessage(5, Buffer.alloc(0)), OK]);
    await assert.rejects(listen(unknown).reader.success(), isTyped('ERR_LINK_NEGOTIATION'));
    const early = Buffer.concat([CONTROL_MAGIC, progress(1), introduction().subarray(8), OK]);
    await assert.rejects(listen(early).reader.hello(), isTyped('ERR_LINK_NEGOTIATION'));
    const short = Buffer.concat([introduction(), writeMessage(MESSAGE.progress, Buffer.alloc(7)), OK]);
    await assert.rejects(listen(short).reader.success(), isTyped('ERR_LINK_NEGOTIATION'));
  });

  it('refuses a success before the whole stream was sent, and accepts a failure at any time', async () => {
    const early = listen(Buffer.concat([introduction(), OK])).reader;
    early.acceptSuccessWhen(() => false);
    await assert.rejects(early.success(), isTyped('ERR_LINK_NEGOTIATION'));
    assert.equal(early.result, undefined);
    const failed = listen(Buffer.concat([introduction(), resultMessage({ ok: false, bytes: 3 })])).reader;
    failed.acceptSuccessWhen(() => false);
    await assert.rejects(failed.success(), isTyped('ERR_PEER_FAILED'));
    assert.deepEqual(failed.result, { ok: false, bytes: 3, error: undefined });
  });

  it('rejects a message above MAX_MESSAGE_BYTES at once', async () => {
    const long = Buffer.alloc(8);
    long.writeUInt32LE(MESSAGE.backward, 0);
    long.writeUInt32LE(0xffff_ffff, 4);
    await assert.rejects(
      listen(Buffer.concat([introduction(), long])).reader.success(),
      isTyped('ERR_STREAM_LIMIT'),
    );
  });
});

/** The messages that were written behind the magic. */
function messagesOf(bytes: Buffer): { type: number; body: Buffer }[] {
  assert.ok(bytes.subarray(0, 8).equals(CONTROL_MAGIC));
  const messages: { type: number; body: Buffer }[] = [];
  for (let at = 8; at < bytes.length;) {
    const length = 8 + messageRest(bytes.subarray(at, at + 8));
    messages.push(readMessage(bytes.subarray(at, at + length)));
    at += length;
  }
  return messages;
}

describe('ControlWriter', () => {
  it('writes hello, progress, backward and result in order, without overlapping writes', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      let writing = 0;
      const sink = new MemorySink(async () => {
        assert.equal(++writing, 1, 'no two writes at once');
        await setImmediate();
        writing--;
      });
      await sink.write(greetingOf(HELLO));
      const writer = new ControlWriter(sink);
      let delivered = 0;
      writer.reportProgress(() => ({ delivered }));
      for (delivered of [10, 20]) {
        mock.timers.tick(1000);
        // Until the sink has taken the message: progress meanwhile is skipped.
        for (let turn = 0; turn < 20; turn++) await setImmediate();
      }
      const large = Buffer.alloc(150_000, 7);
      await writer.backward(large);
      delivered = 30;
      mock.timers.tick(1000);
      await writer.result({ ok: true, bytes: 30 });
      mock.timers.tick(10_000);
      const messages = messagesOf(sink.bytes());
      assert.equal(messages[0]!.type, MESSAGE.hello);
      assert.equal(messages.at(-1)!.type, MESSAGE.result);
      const told = messages.filter(({ type }) => type === MESSAGE.progress);
      assert.ok(told.length >= 3, 'at least every second');
      assert.equal(told.at(-1)!.body.readBigUInt64LE(), 30n);
      const backward = messages.filter(({ type }) => type === MESSAGE.backward).map(({ body }) => body);
      assert.ok(backward.every(({ length }) => length <= 65_536));
      assert.ok(Buffer.concat(backward).equals(large));
      assert.ok(sink.finished);
    } finally {
      mock.timers.reset();
    }
  });

  it('does not throw, link closed: the stream decides how the transfer ends', async () => {
    const closed = new MemorySink(() => {
      throw new RamferryError('ERR_LINK_CLOSED', 'gone');
    });
    const writer = new ControlWriter(closed);
    await writer.backward(Buffer.from('any bytes'));
    assert.equal(await writer.result({ ok: true }), false);
  });
});
