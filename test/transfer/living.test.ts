// Whole transfers without --reconnect: a side that is stopped is found in time, a quiet hypervisor and a reader that takes nothing are not mistaken
// for one, and a sender whose link breaks before the result asks for it.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { CONVERSATION_VERSION } from '../../src/control/negotiation.js';
import { greetingOf } from '../../src/control/writer.js';
import { livingOpening, newId, opening } from '../../src/link/resume/joining.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import type { ReceiveOptions, SendOptions } from '../../src/options/transfer.js';
import { isTyped } from '../chunk/typed.js';
import { precopy } from '../grammar/support/qemu-streams.js';
import { Command } from '../cli/command.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { randomBytes } from 'node:crypto';
import { workplace } from './support/carry.js';
import { cuttingProxy, type Cut } from './support/cutting-proxy.js';

const place = workplace();
const bytes = randomBytes(2 ** 20);
const input = place.file('image', bytes);
const certificates = makeCertificates();

interface Case {
  readonly cut?: Cut;
  readonly listens?: 'sender' | 'receiver';
  readonly isTime: (piece: Buffer, direction: 'forward' | 'backward') => boolean;
  readonly both?: Partial<SendOptions & ReceiveOptions>;
  /** Milliseconds in which the proxy refuses further connections. */
  readonly down?: number;
  /** The command that takes the output, slowly. */
  readonly taker?: (output: string) => string;
}

interface Outcome {
  readonly sent: PromiseSettledResult<unknown>;
  readonly received: PromiseSettledResult<unknown>;
  readonly output: string;
  readonly warnings: string;
}

async function carry(settings: Case): Promise<Outcome> {
  const { cut = 'reset', listens = 'receiver', isTime, both, down } = settings;
  const warnings: string[] = [];
  const output = place.path('restored');
  let heard: (address: string) => void;
  const address = new Promise<string>((resolve) => (heard = resolve));
  const common = {
    ...{ ioTimeout: 1_000, ...both },
    onWarning: (text: string) => void warnings.push(text),
    onListening: (text: string) => heard(text),
  };
  const sides = {
    sender: (end: string) => send({ input, output: end, codec: 'none', ...common }),
    receiver: (end: string) => receive({ input: end, output: settings.taker?.(output) ?? output, ...common }),
  };
  const first = sides[listens]('tcp-listen:127.0.0.1:0');
  const proxy = await cuttingProxy(Number((await address).split(':').pop()), cut, listens, isTime, down);
  const second = sides[listens === 'sender' ? 'receiver' : 'sender'](`tcp:127.0.0.1:${proxy.port}`);
  const [sent, received] = await Promise.allSettled(listens === 'sender' ? [first, second] : [second, first]);
  proxy.close();
  return { sent, received, output, warnings: warnings.join('\n') };
}

function fulfilled({ sent, received, output }: Outcome): void {
  for (const result of [sent, received])
    assert.equal(result.status, 'fulfilled', result.status === 'rejected' ? String(result.reason) : '');
  assert.ok(readFileSync(output).equals(bytes));
}

function code(result: PromiseSettledResult<unknown>): unknown {
  return result.status === 'rejected' ? (result.reason as { code: string }).code : 'none';
}

const isResult: Case['isTime'] = (piece, direction) => direction === 'backward' && piece.includes('"ok":');
/** What comes when the image has passed. */
const isEnd = (of: 'forward' | 'backward'): Case['isTime'] => {
  let passed = 0;
  return (piece, direction) => {
    if (direction === 'forward') passed += piece.length;
    return direction === of && passed >= bytes.length;
  };
};

describe('a link that breaks before the result', { timeout: 60_000 }, () => {
  for (const listens of ['receiver', 'sender'] as const) {
    for (const cut of ['reset', 'silence'] as const) {
      it(`is no unknown outcome, ${cut}, where the ${listens} listens`, async () => {
        const outcome = await carry({ cut, listens, isTime: isResult });
        fulfilled(outcome);
        assert.match(outcome.warnings, /asking the receiver/);
      });
    }
  }

  for (const listens of ['receiver', 'sender'] as const) {
    it(`is no unknown outcome with --connections, where the ${listens} listens`, async () => {
      const outcome = await carry({ listens, isTime: isResult, both: { connections: 3 } });
      fulfilled(outcome);
      assert.match(outcome.warnings, /asking the receiver/);
    });

    it(`is no unknown outcome with --reconnect, when its time is over, where the ${listens} listens`, async () => {
      const both = { reconnect: 700 };
      const outcome = await carry({ listens, isTime: isResult, both, down: 1_500 });
      fulfilled(outcome);
      assert.match(outcome.warnings, /asking the receiver/);
    });
  }

  it('is no unknown outcome with --reconnect, when the receiver has its result later', async () => {
    const began = performance.now();
    const isTime: Case['isTime'] = (_, direction) =>
      direction === 'backward' && performance.now() - began > 1_000;
    const outcome = await carry({
      ...{ isTime, both: { reconnect: 500 }, down: 1_000 },
      taker: (output) => `exec:sleep 3; cat > ${output}`,
    });
    fulfilled(outcome);
    assert.match(outcome.warnings, /asking the receiver/);
  });

  it('is no unknown outcome under TLS', { skip: certificates === undefined }, async () => {
    const both = { tlsCreds: certificates!.directory('good') };
    fulfilled(await carry({ cut: 'mute', isTime: isEnd('backward'), both }));
  });

  it('is a failure where the end of the stream was lost', async () => {
    const { sent, received } = await carry({ isTime: isEnd('forward') });
    assert.equal(code(sent), 'ERR_PEER_FAILED');
    assert.notEqual(code(received), 'none');
  });
});

describe('a stopped side', { timeout: 60_000 }, () => {
  const hypervisor = `exec:head -c 5000000 ${place.file('stream', Buffer.concat([Buffer.from('QEVM'), randomBytes(8_000_000)]))}; exec sleep 10`;

  it('is found when the sender is stopped between two records', async () => {
    const arrived = place.path('stopped');
    const receiver = new Command([
      'receive',
      '--io-timeout',
      '1s',
      'tcp-listen:127.0.0.1:0',
      `exec:cat > ${arrived}`,
    ]);
    const [, address] = await receiver.says(/listening on (\S+)/);
    const sender = new Command(['send', '--codec', 'none', hypervisor, address!]);
    try {
      while (!existsSync(arrived) || statSync(arrived).size < 2 ** 20) await sleep(20);
      // The hypervisor has nothing to send, and that is no silence.
      await sleep(1_500);
      assert.equal(receiver.process.exitCode, null);
      sender.process.kill('SIGSTOP');
      await receiver.says(/ERR_LINK_TIMEOUT.*keeping the outcome/);
      receiver.process.kill('SIGTERM');
      assert.notEqual((await receiver.ended).status, 0);
    } finally {
      sender.process.kill('SIGKILL');
      await sender.ended;
    }
  });

  it('is found when the receiver is stopped', async () => {
    const arrived = place.path('stopped-receiver');
    const receiver = new Command(['receive', 'tcp-listen:127.0.0.1:0', `exec:cat > ${arrived}`]);
    const [, address] = await receiver.says(/listening on (\S+)/);
    // A precopy stream that is far from its end: its outcome is known.
    const begun = place.file('begun', Buffer.from(precopy(1, 3, 200).bytes).subarray(0, 300_000));
    const quiet = `exec:cat ${begun}; exec sleep 10`;
    const sender = new Command(['send', '--codec', 'none', '--io-timeout', '1s', quiet, address!]);
    try {
      while (!existsSync(arrived) || statSync(arrived).size < 200_000) await sleep(20);
      receiver.process.kill('SIGSTOP');
      const { status, stderr } = await sender.ended;
      assert.equal(status, 4, stderr);
      assert.match(stderr, /ERR_LINK_TIMEOUT/);
    } finally {
      receiver.process.kill('SIGKILL');
      await receiver.ended;
    }
  });

  it('is not a receiver whose reader takes nothing', async () => {
    const output = `exec:sleep 2; cat > ${place.path('late')}`;
    const receiver = new Command(['receive', 'tcp-listen:127.0.0.1:0', output]);
    const [, address] = await receiver.says(/listening on (\S+)/);
    const long = place.file('long', randomBytes(24 * 2 ** 20));
    const sender = new Command(['send', '--io-timeout', '1s', '--codec', 'none', long, address!]);
    const [sent, received] = await Promise.all([sender.ended, receiver.ended]);
    assert.equal(sent.status, 0, sent.stderr);
    assert.equal(received.status, 0, received.stderr);
  });
});

describe('a peer whose first bytes trickle', { timeout: 60_000 }, () => {
  /** Writes the bytes one by one, slowly enough that they take ten times the limit. */
  async function trickle(socket: net.Socket, bytes: Buffer): Promise<void> {
    socket.on('error', () => undefined).resume();
    for (const byte of bytes) {
      if (socket.destroyed) return;
      socket.write(Buffer.from([byte]));
      await sleep(50);
    }
  }

  for (const reconnect of [0, 5_000]) {
    const how = reconnect === 0 ? '' : ', with --reconnect';

    it(`is given up as a receiver in the time of --io-timeout${how}`, async () => {
      const greeting = greetingOf({
        software: 'x'.repeat(200),
        versions: [1],
        codecs: [],
        maxChunk: 1,
        memory: 1,
      });
      const server = net.createServer((socket) => void trickle(socket, greeting));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const sent = send({ input, output: `tcp:127.0.0.1:${port}`, ioTimeout: 500, reconnect });
      await assert.rejects(sent, isTyped('ERR_LINK_TIMEOUT'));
      server.close();
    });

    it(`is given up as a sender in the time of --io-timeout${how}`, async () => {
      const opened =
        reconnect === 0 ? livingOpening(newId()) : opening({ id: newId(), limit: 1, connections: 1 });
      let heard: (address: string) => void;
      const address = new Promise<string>((resolve) => (heard = resolve));
      const received = receive({
        ...{ input: 'tcp-listen:127.0.0.1:0', output: place.path('trickled'), ioTimeout: 500, reconnect },
        onListening: (text) => heard(text),
      });
      const failed = assert.rejects(received, isTyped('ERR_LINK_TIMEOUT'));
      const socket = net.connect(Number((await address).split(':').pop()), '127.0.0.1');
      socket.write(opened.subarray(0, 8));
      void trickle(socket, opened.subarray(8));
      await failed;
      socket.destroy();
    });
  }
});

describe('a receiver that offers to mend a link', { timeout: 60_000 }, () => {
  for (const [how, code] of [
    ['ends', 'ERR_LINK_CLOSED'],
    ['is silent', 'ERR_LINK_TIMEOUT'],
  ] as const) {
    it(`ends the transfer at once when it ${how} before the conversation is open`, async () => {
      const hello = { software: 'x', versions: [1], codecs: ['none'], maxChunk: 2 ** 20, memory: 2 ** 26 };
      const greeting = greetingOf({ ...hello, conversations: [CONVERSATION_VERSION], reconnect: 60_000 });
      const server = net.createServer((socket) => {
        socket.on('error', () => undefined).write(greeting);
        socket.once('data', () => how === 'ends' && socket.destroySoon());
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as net.AddressInfo;
      const sent = send({ input, output: `tcp:127.0.0.1:${port}`, ioTimeout: 500, reconnect: 60_000 });
      await assert.rejects(sent, isTyped(code));
      server.close();
    });
  }
});
