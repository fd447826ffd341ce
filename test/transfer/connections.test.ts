// A transfer goes over several connections: whoever listens, in the clear and under TLS, with a peer that takes fewer, and when one
// connection is lost with and without --reconnect. Real processes play the loss.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import type { ReceiveOptions, SendOptions } from '../../src/options/transfer.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { Command } from '../cli/command.js';
import { BreakingProxy } from '../link/resume/breaking-proxy.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { image, workplace } from './support/carry.js';

const place = workplace();
const bytes = image(12 * 2 ** 20);
const input = place.file('image', bytes);
const certificates = makeCertificates();

interface Case {
  readonly listens?: 'sender' | 'receiver';
  readonly kind?: 'tcp' | 'unix';
  readonly sender?: Partial<SendOptions>;
  readonly receiver?: Partial<ReceiveOptions>;
  readonly both?: Partial<SendOptions & ReceiveOptions>;
}

/** @returns the warnings */
async function carry({ listens = 'receiver', kind = 'tcp', sender, receiver, both }: Case): Promise<string> {
  const output = place.path('restored');
  const warnings: string[] = [];
  let heard: (address: string) => void;
  const address = new Promise<string>((resolve) => (heard = resolve));
  const common = {
    ...both,
    onWarning: (text: string) => void warnings.push(text),
    onListening: (text: string) => heard(text),
  };
  const sides = {
    sender: (end: string) => send({ input, output: end, codec: 'none', ...common, ...sender }),
    receiver: (end: string) => receive({ input: end, output, ...common, ...receiver }),
  };
  const listener = kind === 'tcp' ? 'tcp-listen:127.0.0.1:0' : `unix-listen:${place.path('socket')}`;
  const first = sides[listens](listener);
  const second = sides[listens === 'sender' ? 'receiver' : 'sender'](await address);
  await Promise.all([first, second]);
  assert.ok(readFileSync(output).equals(bytes));
  return warnings.join('\n');
}

/** Undefined without openssl. */
const tls = certificates && { tlsCreds: certificates.directory('good') };

describe('a transfer with --connections', { timeout: 120_000 }, () => {
  for (const listens of ['receiver', 'sender'] as const) {
    for (const connections of [2, 4, 8]) {
      it(`arrives over ${connections}, where the ${listens} listens`, async () => {
        assert.equal(await carry({ listens, both: { connections } }), '');
      });
    }
    it(`arrives under TLS and over a unix socket, where the ${listens} listens`, async () => {
      assert.equal(await carry({ listens, kind: 'unix', both: { connections: 4, reconnect: 5_000 } }), '');
      if (tls !== undefined) assert.equal(await carry({ listens, both: { ...tls, connections: 4 } }), '');
    });
  }

  it('takes the smaller number of both sides, and says so', async () => {
    const sender = { connections: 4 };
    assert.match(
      await carry({ sender, receiver: { connections: 2 } }),
      /takes 2 connections, so 4 are not used/,
    );
    assert.match(await carry({ sender }), /takes one connection, so 4 are not used/);
    assert.equal(await carry({ receiver: { connections: 4 } }), '');
  });

  it('is refused where no further connection can be made', async () => {
    for (const output of ['-', 'exec:cat', 'fd:1', place.path('file')]) {
      await assert.rejects(send({ input, output, connections: 2 }), { code: 'ERR_OPTION_INVALID' });
    }
    await assert.rejects(send({ input, output: 'tcp:127.0.0.1:1', oneWay: true, connections: 2 }), {
      code: 'ERR_OPTION_INVALID',
    });
  });

  for (const reconnects of [true, false]) {
    it(`${reconnects ? 'goes on over the others' : 'ends'} when one is lost, as processes`, async () => {
      const output = place.path('lost');
      const several = ['--multifd-channels', '4', '--reconnect', reconnects ? '20s' : '0'];
      const receiving = new Command(['receive', ...several, 'tcp-listen:127.0.0.1:0', output]);
      const [, port] = await receiving.says(/listening on \S+:(\d+)/);
      const proxy = await BreakingProxy.open({ host: '127.0.0.1', port: Number(port) }, []);
      const limits = ['--codec', 'none', '--max-bandwidth', '6MB'];
      const sending = new Command(['send', ...several, ...limits, input, `tcp:127.0.0.1:${proxy.port}`]);
      await proxy.carries(2_000_000);
      proxy.cutOne(2);
      const [sent, received] = await Promise.all([sending.ended, receiving.ended]);
      proxy.close();
      if (reconnects) {
        assert.equal(sent.status, 0, sent.stderr);
        assert.equal(received.status, 0, received.stderr);
        assert.match(sent.stderr, /connection \d of 4 broke[^]*goes on over 3 of them/);
        assert.ok(readFileSync(output).equals(bytes));
      } else {
        assert.notEqual(sent.status, 0);
        assert.match(sent.stderr, /ERR_LINK_CLOSED|ERR_OUTPUT|connection \d of 4/);
        assert.equal(received.status, 4, received.stderr);
        assert.match(received.stderr, /connection \d of 4 to \S+ broke/);
        assert.ok(!place.names().includes(output));
      }
    });
  }
});
