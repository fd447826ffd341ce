// `ramferry serve` under TLS at both ends: guests arrive whole, strangers cost them nothing, and a name may bring its own guests only.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';
import tls from 'node:tls';

import { type ErrorCode, RamferryError } from '../../src/errors.js';
import type { ServeOptions } from '../../src/options/rows/serve.js';
import { send } from '../../src/transfer/send.js';
import { isTyped } from '../chunk/typed.js';
import { precopy } from '../grammar/support/qemu-streams.js';
import { makeCertificates } from '../link/tls/certificates.js';
import { arriving, directory, host, leaving, pair, type Pair, until } from './support.js';

const made = makeCertificates();
const LIMIT = { timeout: 120_000, skip: made === undefined && 'openssl is not installed' };
const stream = (seed: number): Buffer => Buffer.from(precopy(seed, 3, 200).bytes);
const files = (folder: string): string => made!.directory(folder);

/** Both servers with the same files; the link is a unix socket. */
const secured = (
  names: readonly string[],
  receiving: ServeOptions = {},
  sending: ServeOptions = {},
): Promise<Pair> =>
  pair(
    names,
    { tlsCreds: files('good'), tlsHostname: 'localhost', ...sending },
    { tlsCreds: files('good'), ...receiving },
  );

async function carried({ at, source }: Pair, name: string, seed: number): Promise<string> {
  const arrived = arriving(`${at}/in/${name}.sock`);
  arrived.catch(() => undefined);
  (await leaving(`${at}/out/${name}.sock`)).end(stream(seed));
  const { status, error } = await source.nextEnded(name);
  if (status === 'completed') assert.ok((await arrived).equals(stream(seed)));
  return error === undefined ? status : `${error.code}: ${error.message}`;
}

describe('serve under TLS', LIMIT, () => {
  for (const folder of ['good', 'psk']) {
    it(`carries guests, ${folder}`, async () => {
      const both = { tlsCreds: files(folder) };
      const made = await secured(['web1', 'web2'], both, both);
      assert.deepEqual(await Promise.all([carried(made, 'web1', 1), carried(made, 'web2', 2)]), [
        'completed',
        'completed',
      ]);
      const { warnings } = made.destination;
      assert.deepEqual(warnings, []);
    });
  }

  it('names the sender by its certificate', async () => {
    const { source, destination, at } = await secured(['web1']);
    const arrived = arriving(`${at}/in/web1.sock`);
    const socket = await leaving(`${at}/out/web1.sock`);
    socket.write(stream(1).subarray(0, 10_000));
    await until('it runs', () => destination.server.status().transfers.length === 1);
    assert.match(destination.server.status().transfers[0]!.peer, /\(CN=source\.example,O=ramferry tests\)$/);
    socket.end(stream(1).subarray(10_000));
    await arrived;
    await source.nextEnded('web1');
  });

  it('refuses a sender without TLS, one of another authority and a receiver of another', async () => {
    const made = await secured(['web1']);
    const plain = send({
      input: 'exec:cat /dev/zero',
      format: 'opaque',
      output: `unix:${made.at}/link`,
      name: 'x',
    });
    await assert.rejects(
      plain,
      (thrown) => thrown instanceof RamferryError && thrown.code.startsWith('ERR_LINK_'),
    );
    const foreign = {
      input: 'exec:cat /dev/zero',
      format: 'opaque',
      output: `unix:${made.at}/link`,
      name: 'x',
    } as const;
    await assert.rejects(
      send({ ...foreign, tlsCreds: files('other-client'), tlsHostname: 'localhost' }),
      isTyped('ERR_LINK_TLS'),
    );
    await until('both are in the log', () => made.destination.warnings.length === 2);
    const said = made.destination.warnings.join('\n');
    assert.match(said, /no TLS with a local process/);
    assert.match(said, /not signed by an authority/);
    assert.equal(made.destination.server.status().refused, 2);
    assert.equal(await carried(made, 'web1', 1), 'completed');
    const astray = await secured(['web1'], { tlsCreds: files('other-ca') });
    assert.match(await carried(astray, 'web1', 1), /^ERR_LINK_TLS/);
  });

  it('carries guests among scanners, and lists the scanners', async () => {
    const made = await secured(['web1']);
    const link = `${made.at}/link`;
    const scanners = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const socket = net.connect({ path: link });
        socket.on('error', () => undefined).resume();
        await once(socket, 'connect');
        if (index % 4 === 1) socket.write('GET / HTTP/1.1\r\n\r\n');
        // The head of a ClientHello that never comes.
        if (index % 4 === 2) socket.write(Buffer.from('1603010200010001fc0303', 'hex'));
        if (index % 4 === 3) socket.destroy();
        return socket;
      }),
    );
    // A client with a good certificate that says nothing after its handshake.
    const mute = tls.connect({ path: link, ...clientFiles(), servername: 'localhost' });
    mute.on('error', () => undefined);
    await once(mute, 'secureConnect');
    assert.equal(await carried(made, 'web1', 1), 'completed');
    await until('they are refused', () => made.destination.server.status().refused >= 50);
    assert.ok(made.destination.warnings.length <= 32, String(made.destination.warnings.length));
    for (const socket of [...scanners, mute]) socket.destroy();
  });

  it('uses files that were renewed while it runs, and keeps the old ones while the new are damaged', async () => {
    const at = directory();
    fs.cpSync(files('good'), at, { recursive: true });
    const made = await secured(['web1', 'web2', 'web3'], { tlsCreds: at });
    assert.equal(await carried(made, 'web1', 1), 'completed');
    fs.writeFileSync(`${at}/server-key.pem`, 'half a k', { mode: 0o600 });
    assert.equal(await carried(made, 'web2', 2), 'completed');
    assert.match(made.destination.warnings.join('\n'), /changed TLS files are not used.*server-key\.pem/);
    fs.cpSync(files('other-ca'), at, { recursive: true });
    assert.match(await carried(made, 'web3', 3), /^ERR_LINK_TLS/);
  });
});

function clientFiles(): tls.ConnectionOptions {
  const read = (name: string): string => fs.readFileSync(`${files('good')}/${name}`, 'utf8');
  return { ca: read('ca-cert.pem'), cert: read('client-cert.pem'), key: read('client-key.pem') };
}

describe('serve --tls-authz', LIMIT, () => {
  it('takes senders whose name a pattern allows', async () => {
    const made = await secured(['web1'], { tlsAuthz: ['CN=source.*,*'] });
    assert.equal(await carried(made, 'web1', 1), 'completed');
    const others = await secured(['web1'], { tlsAuthz: ['CN=other.*'] });
    assert.match(await carried(others, 'web1', 1), /ERR_LINK_TLS.*not among those/);
  });

  it('takes from each name its own guests only', async () => {
    const tlsAuthz = ['{web*}CN=source.example,*', '{db*}CN=other.example,*'];
    const made = await secured(['web1', 'db1', 'www'], { tlsAuthz });
    assert.equal(await carried(made, 'web1', 1), 'completed');
    for (const name of ['db1', 'www']) {
      assert.match(await carried(made, name, 2), /^ERR_PEER_FAILED.*ERR_LINK_TLS.*may not bring the guest/);
    }
    assert.match(made.destination.warnings[0]!, /db1: 'CN=source\.example,O=ramferry tests' may not bring/);
  });

  it('hands each guest to receivers of its own only', async () => {
    const tlsAuthz = ['{web*}CN=localhost,*', '{db*}CN=other.example,*'];
    const made = await secured(['web1', 'db1', 'www'], {}, { tlsAuthz });
    assert.equal(await carried(made, 'web1', 1), 'completed');
    assert.match(await carried(made, 'db1', 2), /ERR_LINK_TLS.*not among those/);
    assert.match(await carried(made, 'www', 3), /ERR_LINK_TLS.*no pattern.*the guest www/);
  });

  it('lets no sender without a certificate bring a guest that is bound to names', async () => {
    const made = await secured(
      ['web1', 'any'],
      { tlsVerifyPeer: false, tlsAuthz: ['{web*}CN=source.example,*'] },
      { tlsCreds: files('no-client') },
    );
    assert.match(await carried(made, 'web1', 1), /ERR_LINK_TLS.*without a certificate/);
  });
});

describe('serve, options of TLS', LIMIT, () => {
  const incoming = { incoming: 'unix:/run/{name}', listen: 'tcp-listen:0.0.0.0:0' } as const;
  const outgoing = { outgoing: 'unix-listen:/run/{name}', connect: 'tcp:192.0.2.1:4444' } as const;
  const refused = (code: ErrorCode, text: RegExp, options: ServeOptions): Promise<void> =>
    assert.rejects(host(options), (thrown) => {
      isTyped(code)(thrown);
      assert.match((thrown as RamferryError).message, text);
      return true;
    });

  it('are refused where they have no effect', async () => {
    await refused('ERR_OPTION_INVALID', /tlsAuthz/, { ...incoming, tlsAuthz: ['CN=a'] });
    await refused('ERR_OPTION_INVALID', /tlsHostname/, {
      ...incoming,
      tlsCreds: files('good'),
      tlsHostname: 'a',
    });
    await refused('ERR_OPTION_INVALID', /tlsVerifyPeer/, {
      ...outgoing,
      tlsCreds: files('good'),
      tlsVerifyPeer: false,
    });
    await refused('ERR_OPTION_INVALID', /no pattern/, {
      ...incoming,
      tlsCreds: files('good'),
      tlsAuthz: ['{}a'],
    });
    await refused('ERR_OPTION_INVALID', /tlsHostname/, {
      ...outgoing,
      connect: 'unix:/run/link',
      tlsCreds: files('good'),
    });
  });

  it('are required towards other hosts', async () => {
    await refused('ERR_OPTION_INVALID', /listen.*unencrypted/, incoming);
    await refused('ERR_OPTION_INVALID', /connect.*unencrypted/, outgoing);
    await refused('ERR_OPTION_INVALID', /connect/, { ...outgoing, connect: 'tcp:localhost.example:4444' });
    for (const connect of ['tcp:localhost:4444', 'tcp:[::1]:4444', 'tcp:127.1.2.3:4444', 'unix:/run/link']) {
      await host({ ...outgoing, connect });
    }
    await host({ ...incoming, tlsCreds: files('good') });
    await host({ ...incoming, insecure: true });
    await host({ ...outgoing, insecure: true });
  });

  it('name missing files before anything is opened', async () => {
    await refused('ERR_TLS_CREDENTIALS', /ca-cert\.pem/, { ...incoming, tlsCreds: '/nowhere' });
    await refused('ERR_TLS_CREDENTIALS', /ca-cert\.pem/, { ...outgoing, tlsCreds: '/nowhere' });
  });

  it('of guests are refused by commands that carry one', async () => {
    const one = { input: '-', output: 'tcp:127.0.0.1:1', tlsCreds: files('good'), tlsAuthz: ['{web*}CN=a'] };
    await assert.rejects(send(one), isTyped('ERR_OPTION_INVALID'));
  });
});
