// The receiver's voice and the sender's ear, in memory: in any pieces, with damage, and with an end that comes too early.

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
import { ControlReader, greetingOf, ControlWriter } from '../../src/control/channel.js';
import { isTyped } from '../chunk/typed.js';
import { MemorySink, MemorySource } from '../transfer/support/memory-link.js';
import { HELLO, introduction } from '../transfer/support/peers.js';

function progress(bytes: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeBigUInt64LE(BigInt(bytes));
  return writeMessage(MESSAGE.progress, body);
}

const OK = resultMessage({ ok: true, bytes: 77 });

function hear(bytes: Uint8Array, piece = Infinity): { ear: ControlReader; heard: Buffer[] } {
  const heard: Buffer[] = [];
  const ear = new ControlReader(new MemorySource(bytes, piece), (backward) => {
    heard.push(Buffer.from(backward));
    return Promise.resolve();
  });
  ear.acceptSuccessWhen(() => true);
  return { ear, heard };
}

describe('the ear', () => {
  const all = [
    introduction(),
    progress(5),
    writeMessage(MESSAGE.backward, Buffer.from('return path')),
    progress(70),
    OK,
  ];

  it('hears everything in any pieces', async () => {
    for (const piece of [1, 3, 17, Infinity]) {
      const { ear, heard } = hear(Buffer.concat(all), piece);
      assert.deepEqual(await ear.hello(), HELLO);
      assert.equal((await ear.success()).bytes, 77);
      assert.equal(ear.delivered, 70);
      assert.equal(Buffer.concat(heard).toString(), 'return path');
    }
  });

  it('never takes an early end for a success', async () => {
    const whole = Buffer.concat(all);
    for (let cut = 0; cut < whole.length; cut++) {
      const { ear } = hear(whole.subarray(0, cut));
      await assert.rejects(
        ear.success(),
        isTyped('ERR_LINK_CLOSED', 'ERR_LINK_NEGOTIATION'),
        `cut at ${cut}`,
      );
    }
  });

  it('never takes damage for a success', async () => {
    const whole = Buffer.concat([introduction(), OK]);
    for (let bit = 0; bit < whole.length * 8; bit += 3) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(hear(damaged).ear.success(), isTyped(), `bit ${bit}`);
    }
  });

  it('reports a failure to whoever asks, and one that nobody asks for harms nobody', async () => {
    const error = new RamferryError('ERR_OUTPUT_FULL', 'no space left');
    const bytes = Buffer.concat([introduction(), resultMessage({ ok: false, error: error.toData() })]);
    await assert.rejects(hear(bytes).ear.failure(), isTyped('ERR_PEER_FAILED'));
    hear(bytes);
    hear(Buffer.alloc(3));
    await setImmediate();
  });

  it('knows no other messages, and none before the first', async () => {
    const unknown = Buffer.concat([introduction(), writeMessage(5, Buffer.alloc(0)), OK]);
    await assert.rejects(hear(unknown).ear.success(), isTyped('ERR_LINK_NEGOTIATION'));
    const early = Buffer.concat([CONTROL_MAGIC, progress(1), introduction().subarray(8), OK]);
    await assert.rejects(hear(early).ear.hello(), isTyped('ERR_LINK_NEGOTIATION'));
    const short = Buffer.concat([introduction(), writeMessage(MESSAGE.progress, Buffer.alloc(7)), OK]);
    await assert.rejects(hear(short).ear.success(), isTyped('ERR_LINK_NEGOTIATION'));
  });

  it('refuses a success before the whole stream was sent, and takes a failure at any time', async () => {
    const early = hear(Buffer.concat([introduction(), OK])).ear;
    early.acceptSuccessWhen(() => false);
    await assert.rejects(early.success(), isTyped('ERR_LINK_NEGOTIATION'));
    assert.equal(early.result, undefined);
    const failed = hear(Buffer.concat([introduction(), resultMessage({ ok: false, bytes: 3 })])).ear;
    failed.acceptSuccessWhen(() => false);
    await assert.rejects(failed.success(), isTyped('ERR_PEER_FAILED'));
    assert.deepEqual(failed.result, { ok: false, bytes: 3, error: undefined });
  });

  it('does not wait for a message that claims to be longer than any', async () => {
    const long = Buffer.alloc(8);
    long.writeUInt32LE(MESSAGE.backward, 0);
    long.writeUInt32LE(0xffff_ffff, 4);
    await assert.rejects(
      hear(Buffer.concat([introduction(), long])).ear.success(),
      isTyped('ERR_STREAM_LIMIT'),
    );
  });
});

/** The messages that were written, after magic and hello. */
function spoken(bytes: Buffer): { type: number; body: Buffer }[] {
  assert.ok(bytes.subarray(0, 8).equals(CONTROL_MAGIC));
  const messages: { type: number; body: Buffer }[] = [];
  for (let at = 8; at < bytes.length;) {
    const length = 8 + messageRest(bytes.subarray(at, at + 8));
    messages.push(readMessage(bytes.subarray(at, at + length)));
    at += length;
  }
  return messages;
}

describe('the voice', () => {
  it('says who it is, how far it is, what comes back, and how it ended; in this order and one at a time', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      let writing = 0;
      const sink = new MemorySink(async () => {
        assert.equal(++writing, 1, 'no two writes at once');
        await setImmediate();
        writing--;
      });
      await sink.write(greetingOf(HELLO));
      const voice = new ControlWriter(sink);
      let delivered = 0;
      voice.reportProgress(() => ({ delivered }));
      for (delivered of [10, 20]) {
        mock.timers.tick(1000);
        // Until the sink has taken it: what is said meanwhile is left out.
        for (let turn = 0; turn < 20; turn++) await setImmediate();
      }
      const large = Buffer.alloc(150_000, 7);
      await voice.backward(large);
      delivered = 30;
      mock.timers.tick(1000);
      await voice.result({ ok: true, bytes: 30 });
      mock.timers.tick(10_000);
      const messages = spoken(sink.bytes());
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

  it('that nobody hears does no harm: the stream decides how the transfer ends', async () => {
    const deaf = new MemorySink(() => {
      throw new RamferryError('ERR_LINK_CLOSED', 'gone');
    });
    const voice = new ControlWriter(deaf);
    await voice.backward(Buffer.from('anybody?'));
    assert.equal(await voice.result({ ok: true }), false);
  });
});
