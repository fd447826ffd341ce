// tcp and unix links within one process: bytes, ends, timeouts, back-pressure, connecting and listening.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RamferryError } from '../../src/errors.js';
import type { ByteSink } from '../../src/io/bytes.js';
import { libc } from '../../src/os/libc.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import type { OpenOptions } from '../../src/link/options.js';
import {
  connectedPair,
  type Pair,
  pattern,
  readAll,
  readExactly,
  rejectsWith,
  sinkOf,
  sourceOf,
  startListening,
  temporaryDirectory,
} from './support.js';
import { makeCertificates } from './tls/certificates.js';

const directory = temporaryDirectory();
const umaskNow = (): string | undefined =>
  /^Umask:.*$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))?.[0];
let paths = 0;
const newPath = (): string => path.join(directory, `s${++paths}`);
const ipv6 =
  fs.existsSync('/proc/net/if_inet6') && fs.readFileSync('/proc/net/if_inet6', 'utf8').includes(' lo\n');

const certificates = makeCertificates();
const places: [string, () => string, OpenOptions][] = [
  ['tcp', () => 'tcp-listen:0', {}],
  ['tcp over IPv6', () => 'tcp-listen:[::1]:0', {}],
  ['unix', () => `unix-listen:${newPath()}`, {}],
  ...(certificates === undefined
    ? []
    : [
        ['TLS', () => 'tcp-listen:0', { tls: certificates.tls('good') }] satisfies [
          string,
          () => string,
          OpenOptions,
        ],
      ]),
];

/** Writes until the kernel accepts no more bytes for a while. Returns the accepted bytes and the pending write. */
async function writeUntilFull(
  sink: ByteSink,
  piece: Uint8Array,
): Promise<{ taken: number; last: Promise<void> }> {
  for (let taken = 0; ; taken += piece.length) {
    const last = sink.write(piece);
    last.catch(() => undefined);
    if ((await Promise.race([last, sleep(150, 'full')])) === 'full') return { taken, last };
    assert.ok(taken < 256 * 2 ** 20, 'a peer that does not read must stop the writer');
  }
}

describe(
  'send buffer of a unix connection',
  { skip: libc() === undefined && 'koffi has no binary here' },
  () => {
    it('holds more bytes that the peer has not read, as far as the kernel allows', async () => {
      const piece = pattern(1 << 16);
      const usual = await connectedPair(`unix-listen:${newPath()}`);
      const { taken: before } = await writeUntilFull(sinkOf(usual.connector), piece);
      const wide = await connectedPair(`unix-listen:${newPath()}`, { sendBuffer: 1 << 19 });
      const { taken: after } = await writeUntilFull(sinkOf(wide.connector), piece);
      // The usual limit, net.core.wmem_max, is the default size. The kernel doubles only what was requested.
      assert.ok(after >= before * 1.5, `${after} bytes, ${before} without the option`);
    });
  },
);

for (const [name, place, base] of places) {
  const pair = (options: OpenOptions = {}): Promise<Pair> => connectedPair(place(), { ...base, ...options });
  describe(`${name} link`, { skip: name.includes('IPv6') && !ipv6 }, () => {
    it('carries identical bytes both ways at once and ends each way independently', async () => {
      const { listener, connector } = await pair();
      assert.ok(listener.duplex && connector.duplex);
      const there = pattern(3_000_001, 1);
      const back = pattern(2_000_003, 2);
      const answers = (async () => {
        const got = await readAll(sourceOf(listener));
        // This direction still works after the other one has ended.
        await sinkOf(listener).write(back.subarray(1_000_000));
        await sinkOf(listener).finish();
        return got;
      })();
      const answered = readAll(sourceOf(connector));
      await sinkOf(listener).write(back.subarray(0, 1_000_000));
      for (let at = 0; at < there.length; at += 700_000) {
        await sinkOf(connector).write(there.subarray(at, at + 700_000));
      }
      await sinkOf(connector).finish();
      assert.ok((await answers).equals(there));
      assert.ok((await answered).equals(back));
      assert.equal(await sourceOf(connector).read(new Uint8Array(1)), 0);
    });

    it('never reads more than requested, down to single bytes', async () => {
      const { listener, connector } = await pair();
      const sent = pattern(300);
      await sinkOf(connector).write(sent);
      await sinkOf(connector).finish();
      assert.ok((await readAll(sourceOf(listener), 1)).equals(sent));
    });

    it('applies back-pressure and loses nothing, reader stopped', async () => {
      const { listener, connector } = await pair();
      const piece = pattern(1 << 18);
      const { taken, last } = await writeUntilFull(sinkOf(connector), piece);
      assert.ok(taken < 32 * 2 ** 20, `${taken} bytes in flight`);
      const rest = readAll(sourceOf(listener));
      await last;
      await sinkOf(connector).finish();
      const got = await rest;
      assert.equal(got.length, taken + piece.length);
      assert.ok(got.subarray(-piece.length).equals(piece));
    });

    it('rejects a pending write and a pending read, peer closed', async () => {
      const { listener, connector } = await pair();
      const { last } = await writeUntilFull(sinkOf(connector), pattern(1 << 18));
      const read = sourceOf(connector).read(new Uint8Array(1));
      const settled = Promise.allSettled([read]);
      await sinkOf(listener).abort();
      await rejectsWith(last, 'ERR_LINK_CLOSED');
      await rejectsWith(sinkOf(connector).write(new Uint8Array(1)), 'ERR_LINK_CLOSED');
      // The system decides which of the two calls reports the reset, and which the plain end.
      const [outcome] = await settled;
      if (outcome.status === 'fulfilled') assert.equal(outcome.value, 0);
      else await rejectsWith(read, 'ERR_LINK_CLOSED');
    });

    it("lets a failed writer read the peer's last message", async () => {
      const { listener, connector } = await pair();
      await writeUntilFull(sinkOf(connector), pattern(1 << 18)).then(async ({ last }) => {
        await sinkOf(listener).write(Buffer.from('no space left'));
        // The peer ends like a killed process: its unread bytes are lost, and the connection is reset.
        await sinkOf(listener).abort();
        await rejectsWith(last, 'ERR_LINK_CLOSED');
      });
      assert.equal((await readExactly(sourceOf(connector), 13)).toString(), 'no space left');
      await rejectsWith(sourceOf(connector).read(new Uint8Array(1)), 'ERR_LINK_CLOSED');
    });

    it('times out in reading and in writing, silent peer', async () => {
      const { connector } = await pair({ ioTimeout: 100 });
      await rejectsWith(sourceOf(connector).read(new Uint8Array(1)), 'ERR_LINK_TIMEOUT', /0\.1 s/);
      const other = await pair({ ioTimeout: 400 });
      const { last } = await writeUntilFull(sinkOf(other.connector), pattern(1 << 18));
      await rejectsWith(last, 'ERR_LINK_TIMEOUT');
    });

    it('waits for an idle peer after patience(0), times out after patience(50)', async () => {
      const { listener, connector } = await pair({ ioTimeout: 50 });
      const source = sourceOf(connector);
      source.patience?.(0);
      const pending = source.read(new Uint8Array(8));
      await sleep(200);
      await sinkOf(listener).write(new Uint8Array(3));
      assert.equal(await pending, 3);
      const silent = source.read(new Uint8Array(8));
      source.patience?.(50);
      await rejectsWith(silent, 'ERR_LINK_TIMEOUT');
    });

    it('counts slow progress within one write as progress', async () => {
      const { listener, connector } = await pair({ ioTimeout: 400 });
      const all = pattern(16 << 20);
      let taken = false;
      const writing = sinkOf(connector)
        .write(all)
        .then(() => (taken = true));
      for (let i = 0; i < 20; i++) {
        await readExactly(sourceOf(listener), 1 << 17);
        await sleep(50);
      }
      assert.ok(!taken, 'the write was to last longer than the timeout');
      const rest = readExactly(sourceOf(listener), all.length - 20 * (1 << 17));
      await writing;
      await rest;
    });

    it('continues to write and drains the peer, source closed', async () => {
      const { listener, connector } = await pair();
      await sourceOf(listener).close();
      await rejectsWith(sourceOf(listener).read(new Uint8Array(1)), 'ERR_LINK_CLOSED');
      for (let i = 0; i < 32; i++) await sinkOf(connector).write(pattern(1 << 18));
      await sinkOf(listener).write(Buffer.from('bye'));
      await sinkOf(listener).finish();
      assert.equal((await readAll(sourceOf(connector))).toString(), 'bye');
    });

    it('delivers all bytes, finish and close without a pause', async () => {
      const { listener, connector } = await pair();
      await sinkOf(listener).finish();
      assert.equal(await sourceOf(connector).read(new Uint8Array(1)), 0);
      const sent = pattern(100_000);
      const got = readAll(sourceOf(listener));
      await sinkOf(connector).write(sent);
      await Promise.all([sinkOf(connector).finish(), sourceOf(connector).close()]);
      assert.ok((await got).equals(sent));
    });

    it('rejects a pending read, source closed twice', async () => {
      const { connector } = await pair();
      const pending = sourceOf(connector).read(new Uint8Array(1));
      await Promise.all([
        rejectsWith(pending, 'ERR_LINK_CLOSED'),
        sourceOf(connector).close(),
        sourceOf(connector).close(),
      ]);
      await sinkOf(connector).abort();
      await sinkOf(connector).abort();
    });

    it('rejects pending reads and writes with the reason of the signal', async () => {
      const stop = new AbortController();
      const { address, accepted } = await startListening(place());
      const connector = await openOutput(parseAddress(address), { signal: stop.signal });
      const listener = await accepted;
      const reason = new RamferryError('ERR_TERMINATED', 'told to stop');
      const pending = sourceOf(connector).read(new Uint8Array(1));
      const { last } = await writeUntilFull(sinkOf(connector), pattern(1 << 18));
      stop.abort(reason);
      const same = (thrown: unknown): boolean => thrown === reason;
      await assert.rejects(pending, same);
      await assert.rejects(last, same);
      await assert.rejects(sinkOf(connector).write(new Uint8Array(1)), same);
      await sinkOf(listener).abort();
    });

    it('accepts exactly one connection', async () => {
      const { address, accepted } = await startListening(place());
      const first = await openOutput(parseAddress(address));
      const listener = await accepted;
      await rejectsWith(openOutput(parseAddress(address), { connectTimeout: 0 }), 'ERR_LINK_CONNECT');
      await sinkOf(first).write(Buffer.from('still here'));
      assert.equal((await readExactly(sourceOf(listener), 10)).toString(), 'still here');
      await sinkOf(first).abort();
      await sinkOf(listener).abort();
    });

    it('stops listening on the signal with its reason, and after the timeout', async () => {
      const stop = new AbortController();
      const { accepted } = await startListening(place(), { signal: stop.signal });
      const reason = new RamferryError('ERR_INTERRUPTED', 'enough');
      stop.abort(reason);
      await assert.rejects(accepted, (thrown) => thrown === reason);
      await rejectsWith(
        openInput(parseAddress(place()), { connectTimeout: 50 }),
        'ERR_LINK_TIMEOUT',
        /no peer connected/,
      );
    });
  });
}

describe('connecting', () => {
  it('retries until the other side listens', async () => {
    const socket = newPath();
    const connecting = openOutput(parseAddress(`unix:${socket}`), { connectTimeout: 5000 });
    await sleep(100);
    const listener = await openInput(parseAddress(`unix-listen:${socket}`));
    const connector = await connecting;
    await sinkOf(connector).write(Buffer.from('hello'));
    assert.equal((await readExactly(sourceOf(listener), 5)).toString(), 'hello');
    await sinkOf(connector).abort();
    await sinkOf(listener).abort();
  });

  it('names the address and the error, no listener', async () => {
    const { address, accepted } = await startListening('tcp-listen:0');
    const last = await openOutput(parseAddress(address));
    await sinkOf(await accepted).abort();
    await sinkOf(last).abort();
    const refused = openOutput(parseAddress(address), { connectTimeout: 60 });
    await rejectsWith(refused, 'ERR_LINK_CONNECT', /connection refused.*tried for 0\.06 s/);
    const missing = openInput(parseAddress(`unix:${newPath()}`), { connectTimeout: 0 });
    await rejectsWith(missing, 'ERR_LINK_CONNECT', /no such file/);
  });

  it('does not retry, permanent error', async () => {
    const plain = path.join(directory, 'plain');
    fs.mkdirSync(plain);
    fs.writeFileSync(path.join(plain, 'file'), '');
    const below = `unix:${path.join(plain, 'file', 'socket')}`;
    await rejectsWith(openOutput(parseAddress(below), { connectTimeout: 60_000 }), 'ERR_LINK_CONNECT');
  });

  it('rejects with the reason of the signal', async () => {
    const stop = new AbortController();
    const connecting = openOutput(parseAddress(`unix:${newPath()}`), { signal: stop.signal });
    const reason = new RamferryError('ERR_INTERRUPTED', 'enough');
    setTimeout(() => stop.abort(reason), 30);
    await assert.rejects(connecting, (thrown) => thrown === reason);
    await assert.rejects(
      openInput(parseAddress('tcp-listen:0'), { signal: stop.signal }),
      (thrown) => thrown === reason,
    );
  });
});

describe('listening', () => {
  it('creates unix sockets of mode 0600 without a change of the umask', async () => {
    const socket = newPath();
    const before = umaskNow();
    const { accepted } = await startListening(`unix-listen:${socket}`);
    assert.equal(fs.statSync(socket).mode & 0o777, 0o600);
    assert.equal(umaskNow(), before);
    const peer = await openOutput(parseAddress(`unix:${socket}`));
    await accepted.then((listener) => sinkOf(listener).abort());
    await sinkOf(peer).abort();
    assert.ok(!fs.existsSync(socket), 'the path is gone with the listener');
    assert.deepEqual(
      fs.readdirSync(directory).filter((name) => name.startsWith('.')),
      [],
    );
  });

  it('listens on a path of maximum length, and keeps a file that replaced its socket', async () => {
    const socket = path.join(directory, 'x'.repeat(107 - directory.length - 1));
    const stop = new AbortController();
    const opening = await new Promise<{ channel: Promise<unknown> }>((resolve) => {
      const onListening = (): void => queueMicrotask(() => resolve({ channel }));
      const channel = openInput(parseAddress(`unix-listen:${socket}`), { signal: stop.signal, onListening });
    });
    fs.rmSync(socket);
    fs.writeFileSync(socket, 'another');
    stop.abort();
    await rejectsWith(opening.channel, 'ERR_INTERRUPTED');
    assert.equal(fs.readFileSync(socket, 'utf8'), 'another');
  });

  it('refuses an existing path, and replaces a stale socket only with force', async () => {
    const socket = newPath();
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(`${socket}-moved`, resolve));
    fs.renameSync(`${socket}-moved`, socket);
    const place = parseAddress(`unix-listen:${socket}`);
    await rejectsWith(openInput(place, { force: true }), 'ERR_LINK_LISTEN', /in use/);
    await new Promise((resolve) => server.close(resolve)); // The renamed path stays.
    await rejectsWith(openInput(place), 'ERR_LINK_LISTEN', /in use/);
    await rejectsWith(openInput(place, { force: true, connectTimeout: 50 }), 'ERR_LINK_TIMEOUT');
    fs.writeFileSync(socket, 'a file');
    await rejectsWith(openInput(place, { force: true }), 'ERR_LINK_LISTEN');
    assert.equal(fs.readFileSync(socket, 'utf8'), 'a file');
  });

  it('warns on addresses beyond loopback only', async () => {
    const warnings: string[] = [];
    const options = { connectTimeout: 30, onWarning: (text: string) => warnings.push(text) };
    await rejectsWith(openInput(parseAddress('tcp-listen:localhost:0'), options), 'ERR_LINK_TIMEOUT');
    assert.deepEqual(warnings, []);
    await rejectsWith(openInput(parseAddress('tcp-listen:0.0.0.0:0'), options), 'ERR_LINK_TIMEOUT');
    assert.equal(warnings.length, 1);
    assert.match(warnings.join(), /0\.0\.0\.0.*unencrypted/);
  });
});

describe('queued()', { skip: libc() === undefined }, () => {
  it('returns the bytes that the other side has not read', async () => {
    const { listener, connector } = await connectedPair(`unix-listen:${newPath()}`);
    assert.equal(sinkOf(connector).queued(), 0);
    await sinkOf(connector).write(pattern(50_000));
    assert.ok(sinkOf(connector).queued() >= 50_000);
    await readExactly(sourceOf(listener), 50_000);
    assert.equal(sinkOf(connector).queued(), 0);
  });
});
