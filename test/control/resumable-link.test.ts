// A link over a proxy that resets, ends, and swallows at drawn positions: both directions arrive byte for byte, nothing hangs, and what is
// kept stays within its bound. Then what ends a link for good.

import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { ResumableLink } from '../../src/control/resumable-link.js';
import { greetingOf } from '../../src/control/writer.js';
import { CONVERSATION_VERSION, type Hello } from '../../src/control/negotiation.js';
import type { Channel } from '../../src/io/bytes.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import type { OpenOptions } from '../../src/link/options.js';
import { sender } from '../../src/control/peer-rules.js';
import { Session } from '../../src/link/resume/session.js';
import { type Break, BreakingProxy } from '../link/resume/breaking-proxy.js';

const KEEP = 1_500_000;
const HELLO: Hello = {
  software: 'test',
  versions: [1],
  codecs: ['none'],
  maxChunk: 65_536,
  memory: 2 ** 26,
  conversations: [CONVERSATION_VERSION],
};
const GREETING = (reconnect: number): Buffer => greetingOf({ ...HELLO, reconnect });

interface Pair {
  readonly sending: Channel;
  readonly receiving: Channel;
  readonly proxy: BreakingProxy;
}

interface Settings {
  readonly breaks?: readonly Break[];
  readonly reconnect?: number;
  readonly limit?: () => number;
  readonly sending?: OpenOptions;
  readonly receiving?: OpenOptions;
}

/** Sent and read before the test begins: then both sides know that the conversation is open. */
const FIRST = Buffer.from('first');

/** Both sides of a link that goes through a proxy. */
async function connect(settings: Settings): Promise<Pair> {
  const { breaks = [], reconnect = 20_000, limit = () => reconnect } = settings;
  const place = parseAddress('tcp-listen:127.0.0.1:0');
  let port: (value: number) => void;
  const listens = new Promise<number>((resolve) => (port = resolve));
  const receiver = new ResumableLink({
    address: place,
    opening: { ioTimeout: 800, ...settings.receiving },
    limit: () => reconnect,
    keep: 0,
  });
  const accepted = openInput(place, {
    ...receiver.opening,
    peer: sender(true, true, () => undefined),
    greeting: () => GREETING(reconnect),
    onListening: (address) => port(Number(address.split(':').pop())),
  });
  const proxy = await BreakingProxy.open({ host: '127.0.0.1', port: await listens }, breaks);
  const address = parseAddress(`tcp:127.0.0.1:${proxy.port}`);
  const link = new ResumableLink({
    address,
    opening: { ioTimeout: 800, ...settings.sending },
    limit,
    keep: KEEP,
  });
  // The sender waits for the receiver's answer, and a receiver decides when it first reads.
  const opened = accepted.then(async (channel) => {
    const receiving = receiver.asReceiver(channel);
    for (let left = FIRST.length; left > 0;) left -= await receiving.source!.read(Buffer.alloc(left));
    return receiving;
  });
  const sending = await openOutput(address, {
    ...link.opening,
    upgrade: (channel) => link.asSender(channel),
  });
  await sending.sink!.write(FIRST);
  const receiving = await opened;
  for (let left = GREETING(reconnect).length; left > 0;)
    left -= await sending.source!.read(Buffer.alloc(left));
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { sending, receiving, proxy };
}

/** Bytes that say where they stand. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((i * 2654435761 + seed) >>> 0, i);
  return bytes;
}

async function writeAll({ sink }: Channel, bytes: Buffer, piece: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) await sink!.write(bytes.subarray(at, at + piece));
}

async function readAll({ source }: Channel, piece: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const target = Buffer.alloc(piece);
    const got = await source!.read(target);
    if (got === 0) return Buffer.concat(pieces);
    pieces.push(target.subarray(0, got));
  }
}

const FORWARD = 6_000_000;
const BACKWARD = 2_000_000;

const someBreak = fc
  .record({
    direction: fc.constantFrom('forward' as const, 'backward' as const),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('reset' as const, 'end' as const, 'silence' as const),
    down: fc.constantFrom(0, 0, 100, 400),
  })
  .map(({ direction, share, kind, down }): Break => {
    // Before the opening has come back, a break ends the transfer: nothing has begun.
    const least = direction === 'forward' ? 300 : GREETING(20_000).length + 300;
    const most = direction === 'forward' ? FORWARD : BACKWARD;
    return { direction, at: Math.floor(least + share * (most - least)), kind, down };
  });

describe('ResumableLink', { timeout: 240_000 }, () => {
  it('carries both directions over any breaks, within its memory', async () => {
    const forward = pattern(FORWARD, 1);
    const backward = pattern(BACKWARD, 2);
    await fc.assert(
      fc.asyncProperty(
        fc.array(someBreak, { maxLength: 5 }),
        fc.integer({ min: 10_000, max: 700_000 }),
        async (breaks, piece) => {
          const { sending, receiving, proxy } = await connect({ breaks });
          let most = 0;
          const look = setInterval(
            () => (most = Math.max(most, sending instanceof Session ? sending.held : Infinity)),
            5,
          );
          const there = (async () => {
            const got = await readAll(receiving, piece);
            assert.ok(got.equals(forward), 'forward');
          })();
          const answer = writeAll(receiving, backward, 30_000);
          const back = readAll(sending, 65_536);
          await writeAll(sending, forward, piece);
          await sending.sink!.finish();
          await Promise.all([there, answer]);
          const heard = receiving.sink!.finish();
          const got = await back;
          assert.ok(got.equals(backward), 'backward');
          await sending.source!.close();
          await heard;
          await receiving.source!.close();
          clearInterval(look);
          proxy.close();
          assert.ok(most <= KEEP + 300_000, `kept ${most}`);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('ends both sides when the time is over', async () => {
    const { sending, receiving, proxy } = await connect({ reconnect: 600 });
    const reading = assert.rejects(readAll(receiving, 65_536), { code: 'ERR_LINK_TIMEOUT' });
    await sending.sink!.write(pattern(100_000, 1));
    proxy.cut('reset', 60_000);
    await assert.rejects(writeAll(sending, pattern(9_000_000, 1), 100_000), { code: 'ERR_LINK_TIMEOUT' });
    await reading;
    proxy.close();
  });

  it('takes the shorter limit of the two sides, also when it falls', async () => {
    let limit = 60_000;
    const { sending, receiving, proxy } = await connect({ reconnect: 60_000, limit: () => limit });
    const reading = assert.rejects(readAll(receiving, 65_536), { code: 'ERR_LINK_TIMEOUT' });
    await sending.sink!.write(pattern(100_000, 1));
    limit = 300;
    // A keep-alive tells the receiver.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    proxy.cut('end', 60_000);
    await assert.rejects(sending.sink!.write(pattern(9_000_000, 1)), { code: 'ERR_LINK_TIMEOUT' });
    await reading;
    proxy.close();
  });

  it('tells the other side when one gives up, and leaves no one waiting', async () => {
    for (const side of ['sending', 'receiving'] as const) {
      const stop = new AbortController();
      const { sending, receiving, proxy } = await connect({ [side]: { signal: stop.signal } });
      const reading = readAll(receiving, 65_536);
      const back = readAll(sending, 65_536);
      await sending.sink!.write(pattern(100_000, 1));
      await new Promise((resolve) => setTimeout(resolve, 100));
      stop.abort(new Error('stop'));
      const [first, second] = side === 'sending' ? [back, reading] : [reading, back];
      await assert.rejects(first);
      await assert.rejects(second, { code: 'ERR_LINK_CLOSED', message: /given up/ });
      proxy.close();
    }
  });

  it('refuses a stranger on the open door, and one that guesses the id', async () => {
    const warnings: string[] = [];
    const receiving = { onWarning: (text: string) => void warnings.push(text) };
    const pair = await connect({ receiving });
    const reading = readAll(pair.receiving, 65_536);
    await pair.sending.sink!.write(pattern(100_000, 1));
    const { port, host } = pair.proxy.target;
    for (const first of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.concat([Buffer.from('895246320d0a1a0a', 'hex'), Buffer.alloc(48, 7)]),
    ]) {
      const socket = net.connect({ host, port });
      socket.on('error', () => undefined);
      socket.write(first);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    assert.match(warnings.join('\n'), /this is not its peer[^]*it names no transfer/);
    await writeAll(pair.sending, pattern(500_000, 1), 100_000);
    await pair.sending.sink!.finish();
    assert.equal((await reading).length, 600_000);
    await pair.sending.sink!.abort();
    await pair.receiving.sink!.abort();
    pair.proxy.close();
  });
});
