// Who lets whom in: every refusal with certificates and with pre-shared keys, said at both sides. Real handshakes over tcp and unix.

import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';

import { RamferryError, toRamferryError } from '../../../src/errors.js';
import type { Channel } from '../../../src/io/bytes.js';
import { parseAddress } from '../../../src/link/address.js';
import { openInput, openOutput } from '../../../src/link/open.js';
import type { OpenOptions } from '../../../src/link/options.js';
import type { TlsSettings } from '../../../src/link/tls/settings.js';
import { readAll, readExactly, sinkOf, sourceOf, temporaryDirectory } from '../support.js';
import { makeCertificates } from './certificates.js';

const made = makeCertificates();
const skip = made === undefined && 'openssl is not installed';
const tls = (folder: string, more?: Partial<TlsSettings>): TlsSettings => made!.tls(folder, more);

interface Meeting {
  readonly server: Channel | RamferryError;
  readonly client: Channel | RamferryError;
  /** What the listener said of connections that it closed. */
  readonly said: string;
}

/** Lets both sides meet. The listener waits until its client has come to an end, then is stopped. */
async function meet(
  server: TlsSettings | undefined,
  client: TlsSettings | undefined,
  { listen = 'tcp-listen:0', ...more }: OpenOptions & { readonly listen?: string } = {},
): Promise<Meeting> {
  const warnings: string[] = [];
  const stop = new AbortController();
  let accepted: Promise<Channel> | undefined;
  const address = await new Promise<string>((resolve, reject) => {
    accepted = openInput(parseAddress(listen), {
      tls: server,
      signal: stop.signal,
      onListening: resolve,
      onWarning: (text) => warnings.push(text),
    });
    accepted.catch(reject);
  });
  const called = await openOutput(parseAddress(address), { tls: client, ...more }).catch((thrown: unknown) =>
    toRamferryError(thrown),
  );
  // A refused client hears of it in the handshake; a moment later the listener has said so, too.
  for (let i = 0; called instanceof RamferryError && warnings.length === 0 && i < 500; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (called instanceof RamferryError) stop.abort(called);
  return {
    server: await accepted!.catch((thrown: unknown) => toRamferryError(thrown)),
    client: called,
    said: warnings.join('\n'),
  };
}

async function carries({ server, client }: Meeting): Promise<void> {
  assert.ok(!(client instanceof RamferryError), 'the client was refused');
  assert.ok(!(server instanceof RamferryError), 'the listener failed');
  await sinkOf(client).write(Buffer.from('there'));
  await sinkOf(client).finish();
  assert.equal((await readAll(sourceOf(server))).toString(), 'there');
  await sinkOf(server).write(Buffer.from('back'));
  await sinkOf(server).finish();
  assert.equal((await readExactly(sourceOf(client), 4)).toString(), 'back');
  assert.equal(await sourceOf(client).read(Buffer.alloc(1)), 0);
}

function refuses({ client, said }: Meeting, atClient: RegExp, atServer: RegExp): void {
  assert.ok(client instanceof RamferryError, 'the client was let in');
  assert.equal(client.code, 'ERR_LINK_TLS', client.message);
  assert.match(client.message, atClient);
  assert.match(said, atServer);
}

describe('a TLS handshake', { skip }, () => {
  it('lets both sides in, certificates of one authority', async () => {
    await carries(await meet(tls('good'), tls('good')));
  });

  it('lets both sides in, with a list of revoked certificates', async () => {
    await carries(await meet(tls('good-crl'), tls('good-crl')));
  });

  it('lets both sides in, encrypted keys', async () => {
    const passphraseFile = path.join(made!.directory('encrypted'), 'passphrase');
    await carries(await meet(tls('encrypted', { passphraseFile }), tls('encrypted', { passphraseFile })));
  });

  it('lets both sides in, the same pre-shared key', async () => {
    await carries(await meet(tls('psk'), tls('psk')));
  });

  it('lets a client without certificate in, verify-peer off', async () => {
    await carries(await meet(tls('good', { verifyPeer: false }), tls('no-client')));
  });

  it('lets both sides in over a unix socket, the name given', async () => {
    const listen = `unix-listen:${path.join(temporaryDirectory(), 's')}`;
    const client = tls('good', { hostname: 'localhost' });
    await carries(await meet(tls('good'), client, { listen }));
  });

  it('lets a client in whose name a pattern allows', async () => {
    const authz = ['CN=other', 'CN=source.*,O=ramferry tests'];
    await carries(await meet(tls('good', { authz }), tls('good')));
    await carries(await meet(tls('psk', { authz: ['q?mu'] }), tls('psk')));
  });

  const refusals: readonly (readonly [string, () => Promise<Meeting>, RegExp, RegExp])[] = [
    [
      'a listener of another authority',
      () => meet(tls('other-ca'), tls('good')),
      /refused the other side of tcp:.*: the certificate is not signed.*'CN=localhost/,
      /closed a connection from 127.*/,
    ],
    [
      'a client of another authority',
      () => meet(tls('good'), { ...tls('good'), directory: made!.directory('other-client') }),
      /tcp:.* refused this side: the certificate is not signed/,
      /refused the other side of 127.*: the certificate is not signed.*'CN=source.example/,
    ],
    [
      'a listener of another name',
      () => meet(tls('wrong-name'), tls('good')),
      /does not bear the name of this host.*CN=elsewhere/,
      /127.* refused this side: the certificate does not bear the name/,
    ],
    [
      'a listener without the name that the client asks for',
      () => meet(tls('good'), tls('good', { hostname: 'elsewhere.example' })),
      /does not bear the name/,
      /does not bear the name/,
    ],
    [
      'a revoked client',
      () => meet(tls('good-crl'), tls('revoked')),
      /refused this side: the certificate has been revoked/,
      /the certificate has been revoked.*CN=revoked\.example/,
    ],
    [
      'a revoked listener',
      () => meet(tls('revoked'), tls('good-crl')),
      /the certificate has been revoked/,
      /refused this side: the certificate has been revoked/,
    ],
    [
      'a client without certificate',
      () => meet(tls('good'), tls('no-client')),
      /refused this side: no certificate was shown/,
      /no certificate was shown/,
    ],
    [
      'a client that no pattern allows',
      () => meet(tls('good', { authz: ['CN=source', 'CN=*,O=others'] }), tls('good')),
      /refused this side: the name is not among those/,
      /'CN=source\.example,O=ramferry tests'/,
    ],
    [
      'a listener that no pattern allows',
      () => meet(tls('good'), tls('good', { authz: ['CN=other'] })),
      /the name is not among those/,
      /refused this side: the name is not among those/,
    ],
    [
      'an identity that no pattern allows',
      () => meet(tls('psk', { authz: ['other'] }), tls('psk')),
      /the name is not among those/,
      /'qemu'/,
    ],
    [
      'another pre-shared key',
      () => meet(tls('psk'), tls('other-psk')),
      /no TLS with tcp:.*: the other side/,
      /the pre-shared key of the other side is not that of its identity/,
    ],
    [
      'pre-shared keys at the listener, certificates at the client',
      () => meet(tls('psk'), tls('good')),
      /no TLS with tcp:/,
      /one side has certificates and the other pre-shared keys/,
    ],
    [
      'certificates at the listener, pre-shared keys at the client',
      () => meet(tls('good'), tls('psk')),
      /it has a certificate, and the refusing side has pre-shared keys/,
      /closed a connection/,
    ],
  ];
  for (const [who, meeting, atClient, atServer] of refusals) {
    it(`refuses ${who}, and both sides say why`, async () => {
      refuses(await meeting(), atClient, atServer);
    });
  }

  it('refuses to connect where no name could be verified', async () => {
    const listen = `unix-listen:${path.join(temporaryDirectory(), 's')}`;
    const { client } = await meet(tls('good'), tls('good'), { listen, connectTimeout: 0 });
    assert.ok(client instanceof RamferryError);
    assert.equal(client.code, 'ERR_USAGE');
    assert.match(client.message, /no host whose name/);
  });
});
