// Whole transfers under TLS through a wire that is listened to: identical bytes at the other end, and no page on the wire.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';

import { receive, send } from '../../src/index.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { rejectsWith, temporaryDirectory } from '../link/support.js';

const made = makeCertificates();
const directory = temporaryDirectory();
const image = path.join(directory, 'guest.ram');
const page = randomBytes(4096);
fs.writeFileSync(
  image,
  Buffer.concat([page, Buffer.alloc(300 * 4096, 'text of a page '), randomBytes(40 * 4096), page]),
);

/** Forwards one connection to the address and keeps what passes in both directions. */
async function tappedWire(address: string): Promise<{ address: string; passed: () => Buffer }> {
  const heard: Buffer[] = [];
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes: Buffer) => heard.push(bytes));
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as net.AddressInfo;
  return { address: `tcp:127.0.0.1:${own}`, passed: () => Buffer.concat(heard) };
}

/** Runs both sides; the side that listens is started first. */
async function carry(listens: 'sender' | 'receiver', tlsCreds: string | undefined): Promise<Buffer> {
  const output = path.join(directory, `out-${listens}`);
  const common = { ...(tlsCreds === undefined ? {} : { tlsCreds }), force: true };
  const sender = (to: string, onListening?: (address: string) => void): Promise<unknown> =>
    send({
      input: image,
      output: to,
      codec: 'none',
      ...common,
      ...(onListening === undefined ? {} : { onListening }),
    });
  const receiver = (from: string, onListening?: (address: string) => void): Promise<unknown> =>
    receive({ input: from, output, ...common, ...(onListening === undefined ? {} : { onListening }) });
  const [listening, calling] = listens === 'receiver' ? [receiver, sender] : [sender, receiver];
  let side: Promise<unknown> | undefined;
  const address = await new Promise<string>((resolve, reject) => {
    side = listening('tcp-listen:0', resolve);
    side.catch(reject);
  });
  const wire = await tappedWire(address);
  await Promise.all([side, calling(wire.address)]);
  assert.ok(fs.readFileSync(output).equals(fs.readFileSync(image)));
  return wire.passed();
}

describe('a transfer under TLS', { skip: made === undefined && 'openssl is not installed' }, () => {
  for (const folder of ['good', 'psk']) {
    for (const listens of ['sender', 'receiver'] as const) {
      it(`shows no page on the wire, ${folder}, the ${listens} listens`, async () => {
        const wire = await carry(listens, made!.directory(folder));
        assert.ok(wire.length > 40 * 4096);
        assert.equal(wire.indexOf(page.subarray(0, 64)), -1);
      });
    }
  }

  it('differs from one without, where the page is on the wire', async () => {
    assert.notEqual((await carry('receiver', undefined)).indexOf(page.subarray(0, 64)), -1);
  });

  it('is refused where the address or another option does not fit', async () => {
    const tlsCreds = made!.directory('good');
    const input = image;
    const invalid = (options: object, text: RegExp): Promise<void> =>
      rejectsWith(
        send({ input, output: 'tcp:127.0.0.1:1', connectTimeout: 0, ...options }),
        'ERR_OPTION_INVALID',
        text,
      );
    await invalid({ output: '-', tlsCreds }, /tlsCreds: a link of kind stdio has no TLS/);
    await invalid({ tlsCreds, tlsVerifyPeer: false }, /tlsVerifyPeer: a client always verifies/);
    await invalid({ output: 'tcp-listen:0', tlsCreds, tlsHostname: 'a' }, /tlsHostname: a listener/);
    await invalid({ tlsHostname: 'a' }, /tlsHostname: this link has no TLS/);
    await invalid({ tlsAuthz: ['a'] }, /tlsAuthz: this link has no TLS/);
    await invalid({ tlsVerifyPeer: false }, /tlsVerifyPeer: this link has no TLS/);
  });
});
