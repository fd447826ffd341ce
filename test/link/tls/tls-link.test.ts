// Reading a connection under TLS: any sizes of reads and writes, Node reading into one buffer and handing over buffers of its own.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import tls from 'node:tls';

import { RamferryError } from '../../../src/errors.js';
import { handleOf, readInto } from '../../../src/link/handle.js';
import { DecryptedBytes } from '../../../src/link/tls/decrypted.js';
import { TlsLink } from '../../../src/link/tls/tls-link.js';
import { makeCertificates } from './certificates.js';

const made = makeCertificates();
const skip = made === undefined && 'openssl is not installed';
const sockets: tls.TLSSocket[] = [];

/** Both ends after their handshake. */
async function pair(): Promise<{ near: tls.TLSSocket; far: tls.TLSSocket }> {
  const read = (name: string): Buffer => readFileSync(path.join(made!.directory('good'), name));
  const server = tls.createServer({
    cert: read('server-cert.pem'),
    key: read('server-key.pem'),
    allowHalfOpen: true,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const accepted = once(server, 'secureConnection') as Promise<[tls.TLSSocket]>;
  const to = { host: '127.0.0.1', port, rejectUnauthorized: false, allowHalfOpen: true };
  const near = tls.connect(to);
  const [far] = await accepted;
  server.close();
  sockets.push(near, far);
  return { near, far };
}

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const OPTIONS = { label: 'a test', ioTimeout: 20_000 };

describe('TlsLink', { skip, timeout: 60_000 }, () => {
  for (const way of ['into one buffer', 'into buffers of Node']) {
    it(`delivers all bytes and the end, ${way}`, async () => {
      const { near, far } = await pair();
      if (way === 'into buffers of Node') Object.assign(handleOf(near)!, { useUserBuffer: undefined });
      const link = new TlsLink(near, OPTIONS);
      const sent = randomBytes(3_000_000);
      far.write(sent.subarray(0, 3));
      far.write(sent.subarray(3, 1_500_000));
      far.end(sent.subarray(1_500_000));
      const got: Buffer[] = [];
      const target = new Uint8Array(new SharedArrayBuffer(700_000));
      for (let turn = 0; ; turn++) {
        const count = await link.source.read(target.subarray(0, [1, 17_000, 3, 700_000][turn % 4]));
        if (count === 0) break;
        got.push(Buffer.from(target.slice(0, count)));
        // Bytes that come between two reads wait.
        if (turn % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      assert.equal(digest(Buffer.concat(got)), digest(sent));
      link.fail(new RamferryError('ERR_LINK_CLOSED', 'the test is over'));
    });
  }

  it('takes many records with one read', async () => {
    const { near, far } = await pair();
    const link = new TlsLink(near, OPTIONS);
    const target = new Uint8Array(1_000_000);
    far.write(randomBytes(target.length));
    let reads = 0;
    for (let done = 0; done < target.length; reads++) done += await link.source.read(target.subarray(done));
    assert.ok(reads < 40, `${reads} reads of 62 records`);
    link.fail(new RamferryError('ERR_LINK_CLOSED', 'the test is over'));
  });

  it('rejects a pending read when the link fails', async () => {
    const { near } = await pair();
    const link = new TlsLink(near, OPTIONS);
    const reading = link.source.read(new Uint8Array(10));
    link.fail(new RamferryError('ERR_INTERRUPTED', 'the test has ended it'));
    await assert.rejects(reading, { code: 'ERR_INTERRUPTED' });
  });

  it('reads into one buffer on this Node', async () => {
    const { near } = await pair();
    assert.equal(
      readInto(near, new Uint8Array(16), () => undefined),
      true,
    );
  });
});

describe('DecryptedBytes', () => {
  it('keeps the order, and grows and empties', () => {
    const bytes = new DecryptedBytes();
    const all = randomBytes(500_000);
    for (let at = 0; at < all.length; at += 50_000) bytes.append(all.subarray(at, at + 50_000));
    const target = Buffer.alloc(all.length);
    assert.equal(bytes.take(target.subarray(0, 10)), 10);
    bytes.unshift(all.subarray(0, 10));
    assert.equal(bytes.length, all.length);
    assert.equal(bytes.take(target), all.length);
    assert.ok(target.equals(all));
    assert.equal(bytes.take(target), 0);
  });
});
