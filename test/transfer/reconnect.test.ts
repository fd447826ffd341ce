// Whole transfers over a link that breaks: the image arrives, whoever listens, in the clear and under TLS, with a peer that does not mend
// links, and when one side dies.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { receive } from '../../src/transfer/receive.js';
import { send, sendWith } from '../../src/transfer/send.js';
import type { ReceiveOptions, SendOptions } from '../../src/options/transfer.js';
import { type Break, BreakingProxy } from '../link/resume/breaking-proxy.js';
import { makeCertificates } from '../link/tls/certificates.js';
import type { TransferSummary } from '../../src/transfer/statistics/summary.js';
import { Command } from '../cli/command.js';
import { image, workplace } from './support/carry.js';

const place = workplace();
const bytes = image(12 * 2 ** 20);
const input = place.file('image', bytes);
const certificates = makeCertificates();

interface Case {
  readonly breaks?: readonly Break[];
  readonly listens?: 'sender' | 'receiver';
  readonly both?: Partial<SendOptions & ReceiveOptions>;
  readonly sender?: Partial<SendOptions>;
  readonly receiver?: Partial<ReceiveOptions>;
  /** What the caller of the sender says of the guest. */
  readonly isGuestStopped?: () => boolean;
}

interface Outcome {
  readonly warnings: string;
  readonly broken: number;
  readonly output: string;
  readonly results: PromiseSettledResult<unknown>[];
}

/** Runs both sides through a proxy. */
async function carry({
  breaks = [],
  listens = 'receiver',
  isGuestStopped = () => false,
  both,
  sender,
  receiver,
}: Case): Promise<Outcome> {
  const output = place.path('restored');
  const warnings: string[] = [];
  let heard: (address: string) => void;
  const address = new Promise<string>((resolve) => (heard = resolve));
  const common = {
    reconnect: 10_000,
    ...both,
    onWarning: (text: string) => void warnings.push(text),
    onListening: (text: string) => heard(text),
  };
  const sides = {
    sender: (end: string) =>
      sendWith({ input, output: end, codec: 'none', ...common, ...sender }, { isGuestStopped }),
    receiver: (end: string) => receive({ input: end, output, ...common, ...receiver }),
  };
  const first = sides[listens]('tcp-listen:127.0.0.1:0');
  const port = Number((await address).split(':').pop());
  const proxy = await BreakingProxy.open({ host: '127.0.0.1', port }, breaks);
  const second = sides[listens === 'sender' ? 'receiver' : 'sender'](`tcp:127.0.0.1:${proxy.port}`);
  const results = await Promise.allSettled([first, second]);
  proxy.close();
  return { warnings: warnings.join('\n'), broken: proxy.broken, output, results };
}

function arrived({ results, output }: Outcome): void {
  for (const result of results) {
    assert.equal(result.status, 'fulfilled', result.status === 'rejected' ? String(result.reason) : '');
  }
  assert.ok(readFileSync(output).equals(bytes));
}

/** The summary counts at least this many breaks, each of which was mended. */
function counted(result: PromiseSettledResult<unknown>, atLeast: number): void {
  const { linkBreaks } = (result as PromiseFulfilledResult<TransferSummary>).value;
  assert.ok(linkBreaks !== undefined && linkBreaks.breaks >= atLeast, JSON.stringify(linkBreaks));
  assert.equal(linkBreaks.reconnects, linkBreaks.breaks);
  assert.ok(linkBreaks.away > 0);
}

/** Two breaks among the stream's bytes. @param direction from the side that connects, or to it */
const inTheMiddle = (direction: Break['direction']): Break[] => [
  { direction, at: 4_000_000, kind: 'reset' },
  { direction, at: 9_000_000, kind: 'end', down: 300 },
];

/** Undefined without openssl. */
const tls = certificates && { tlsCreds: certificates.directory('good') };

describe('a transfer with --reconnect', { timeout: 120_000 }, () => {
  for (const listens of ['receiver', 'sender'] as const) {
    for (const [name, both] of [['in the clear', {}] as const, ['under TLS', tls] as const]) {
      const skip = both === undefined && 'openssl is not installed';
      it(`survives breaks ${name}, where the ${listens} listens`, { skip }, async () => {
        const outcome = await carry({
          breaks: inTheMiddle(listens === 'receiver' ? 'forward' : 'backward'),
          listens,
          both: both!,
        });
        arrived(outcome);
        assert.ok(outcome.broken > 0);
        assert.match(outcome.warnings, /the link broke/);
        assert.match(outcome.warnings, /the link is back/);
        for (const result of outcome.results) counted(result, outcome.broken);
      });
    }
  }

  it('gives the link 5 s while the caller says that the guest stands', async () => {
    let broken = 0;
    const said: string[] = [];
    const outcome = await carry({
      breaks: inTheMiddle('forward'),
      // It stands from the first break on.
      isGuestStopped: () => broken > 0,
      sender: {
        onWarning: (text) => {
          said.push(text);
          if (text.includes('the link is back')) broken++;
        },
      },
    });
    arrived(outcome);
    assert.deepEqual(
      said.filter((text) => text.includes('waiting up to')).map((text) => /up to \d+ s/.exec(text)![0]),
      ['up to 10 s', 'up to 5 s'],
    );
  });

  it('falls back to what the other side speaks', async () => {
    for (const sides of [{ sender: { reconnect: 0 } }, { receiver: { reconnect: 0 } }]) {
      const outcome = await carry(sides);
      arrived(outcome);
      assert.doesNotMatch(outcome.warnings, /the link broke/);
    }
  });

  it('fails on both sides when one side does not mend', async () => {
    for (const sides of [{ sender: { reconnect: 0 } }, { receiver: { reconnect: 0 } }]) {
      const { results } = await carry({ ...sides, breaks: inTheMiddle('forward') });
      assert.ok(results.every(({ status }) => status === 'rejected'));
    }
  });

  it('ends at once when the hypervisor breaks off', async () => {
    const cut = place.file('cut', Buffer.concat([Buffer.from('QEVM'), Buffer.alloc(1000)]));
    const output = place.path('never');
    const command = new Command(['receive', '--reconnect', '60s', 'tcp-listen:127.0.0.1:0', output]);
    const [, address] = await command.says(/listening on (\S+)/);
    const sending = new Command(['send', '--reconnect', '60s', `exec:cat ${cut}; exit 1`, address!]);
    const [sent, received] = await Promise.all([sending.ended, command.ended]);
    assert.notEqual(sent.status, 0);
    assert.equal(received.status, 4, received.stderr);
    assert.match(received.stderr, /ERR_LINK_CLOSED[^]*given up/);
  });

  it('is refused where no connection can be made anew', async () => {
    for (const output of ['-', 'exec:cat', 'fd:1', place.path('file')]) {
      await assert.rejects(send({ input, output, reconnect: '5s' }), { code: 'ERR_OPTION_INVALID' });
    }
    await assert.rejects(receive({ input: '-', output: place.path('x'), reconnect: '5s' }), {
      code: 'ERR_OPTION_INVALID',
    });
    await assert.rejects(send({ input, output: 'tcp:127.0.0.1:1', oneWay: true, reconnect: '5s' }), {
      code: 'ERR_OPTION_INVALID',
    });
  });
});
