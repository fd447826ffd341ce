// A listener with unrelated connections: the identification of the peer, and the close and the report of the others.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import type { Channel } from '../../../src/io/bytes.js';
import { parseAddress } from '../../../src/link/address.js';
import { MAX_WAITING } from '../../../src/link/listen/newcomers.js';
import { openInput } from '../../../src/link/open.js';
import type { Judge, OpenOptions, PeerRules } from '../../../src/link/options.js';
import { readAll, readExactly, rejectsWith, sinkOf, sourceOf } from '../support.js';

const LIMIT = { timeout: 20_000 };

/** The peer's first bytes are 'PEER'. */
function judge(): Judge {
  let seen = '';
  return {
    get wanted() {
      return 4 - seen.length;
    },
    feed(bytes) {
      seen += Buffer.from(bytes).toString('latin1');
      return 'PEER'.startsWith(seen) ? undefined : 'it is none of ours';
    },
  };
}

const RULES: PeerRules = { judge, silence: 0 };

interface Listening {
  readonly opened: Promise<Channel>;
  readonly warnings: string[];
  readonly connect: () => Promise<net.Socket>;
}

async function listening(peer: PeerRules, options: OpenOptions = {}): Promise<Listening> {
  const warnings: string[] = [];
  let opened: Promise<Channel> | undefined;
  const address = await new Promise<string>((onListening, reject) => {
    const hooks = { onListening, onWarning: (text: string) => warnings.push(text) };
    opened = openInput(parseAddress('tcp-listen:0'), { peer, ...hooks, ...options });
    opened.catch(reject);
  });
  const port = Number(address.split(':').pop());
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    socket.on('error', () => undefined);
    after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { opened: opened!, warnings, connect };
}

/** Resolves when the listener has closed this connection. */
async function gone(socket: net.Socket): Promise<void> {
  socket.resume();
  if (socket.destroyed || socket.readableEnded) return;
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve()).once('end', resolve);
  });
}

function heard(socket: net.Socket, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      if (text.length >= length) resolve(text);
    });
    socket.once('end', () => reject(new Error(`only ${text}`)));
  });
}

describe('listener that identifies its peer by the first bytes', LIMIT, () => {
  it('accepts the peer, and closes and reports other connections with address and reason', async () => {
    const { opened, warnings, connect } = await listening(RULES);
    const ports: (number | undefined)[] = [];
    for (const act of [
      (socket: net.Socket) => socket.end(),
      (socket: net.Socket) => socket.resetAndDestroy(),
      (socket: net.Socket) => socket.write('GET / HTTP/1.1\r\n\r\n'),
      (socket: net.Socket) => socket.end('PE'),
    ]) {
      const socket = await connect();
      ports.push(socket.localPort);
      act(socket);
      await gone(socket);
    }
    const peer = await connect();
    peer.end('PEER, and more');
    const channel = await opened;
    assert.equal((await readAll(sourceOf(channel), 3)).toString(), 'PEER, and more');
    const why = ['it closed without a byte', 'broke off without', 'none of ours', 'closed after 2 bytes'];
    assert.equal(warnings.length, 4, warnings.join('\n'));
    for (const [i, text] of warnings.entries()) {
      assert.match(text, new RegExp(`^closed a connection from 127\\.0\\.0\\.1:${ports[i]}: .*${why[i]}`));
      assert.doesNotMatch(text, /GET|PE\b/, 'no byte that came');
    }
    await sinkOf(channel).abort();
  });

  it('accepts the peer and returns every byte, one byte at a time', async () => {
    const { opened, connect } = await listening(RULES);
    const peer = await connect();
    peer.setNoDelay(true);
    for (const letter of 'PEER') {
      peer.write(letter);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const channel = await opened;
    assert.equal((await readExactly(sourceOf(channel), 4)).toString(), 'PEER');
    peer.write('!');
    assert.equal((await readExactly(sourceOf(channel), 1)).toString(), '!');
    await sinkOf(channel).abort();
  });

  it('keeps a bounded number of silent connections and closes the oldest beyond it', async () => {
    const { opened, warnings, connect } = await listening(RULES);
    const silent: net.Socket[] = [];
    for (let i = 0; i < MAX_WAITING + 4; i++) silent.push(await connect());
    await Promise.all(silent.slice(0, 4).map(gone));
    assert.equal(warnings.length, 4);
    assert.match(warnings[0]!, new RegExp(`${silent[0]!.localPort}: 16 connections wait, and it was silent`));
    silent[4]!.write('PEER');
    const channel = await opened;
    assert.equal((await readExactly(sourceOf(channel), 4)).toString(), 'PEER');
    await Promise.all(silent.slice(5).map(gone));
    assert.match(warnings.at(-1)!, /another connection is the peer/);
    await sinkOf(channel).abort();
  });

  it('reports a flood of unrelated connections in a bounded number of lines', async () => {
    const stop = new AbortController();
    const { opened, warnings, connect } = await listening(RULES, { signal: stop.signal });
    for (let i = 0; i < 70; i++) {
      const socket = await connect();
      socket.end('no');
      await gone(socket);
    }
    assert.equal(warnings.length, 18);
    assert.match(warnings.at(-1)!, /number 64 of this host; 31 others are not listed/);
    stop.abort();
    await rejectsWith(opened, 'ERR_INTERRUPTED');
  });

  it('closes a silent connection in time, peer speaks first', async () => {
    const { opened, warnings, connect } = await listening({ judge, silence: 100 });
    await gone(await connect());
    assert.match(warnings.join(), /it has not said what it is within 0\.1 s/);
    (await connect()).write('PEER');
    await sinkOf(await opened).abort();
  });

  it('greets every connection at once', async () => {
    let made = 0;
    const greeting = (): Uint8Array => {
      made++;
      return Buffer.from('hello');
    };
    const { opened, connect } = await listening(RULES, { greeting });
    assert.equal(made, 0, 'the address is told before the greeting is made');
    const stranger = await connect();
    assert.equal(await heard(stranger, 5), 'hello');
    stranger.destroy();
    const peer = await connect();
    assert.equal(await heard(peer, 5), 'hello');
    peer.write('PEER');
    await sinkOf(await opened).abort();
    assert.equal(made, 1);
  });

  it('extends connectTimeout only while a silent connection is open', async () => {
    const { opened, connect } = await listening(RULES, { connectTimeout: 200 });
    opened.catch(() => undefined);
    const silent = await connect();
    await new Promise((resolve) => setTimeout(resolve, 400));
    silent.destroy();
    await rejectsWith(opened, 'ERR_LINK_TIMEOUT', /no peer connected .* for 0\.2 s/);
  });
});

describe('listener whose peer may wait for its first bytes', LIMIT, () => {
  const rules: PeerRules = { ...RULES, mayListenFirst: true };

  it('opens and writes to all connections, all silent, later ones included', async () => {
    const { opened, connect } = await listening(rules, { greeting: () => Buffer.from('hello ') });
    const first = await connect();
    const channel = await opened;
    await sinkOf(channel).write(Buffer.from('banner '));
    assert.equal(await heard(first, 13), 'hello banner ');
    await sinkOf(channel).writeNow!(Buffer.from('now'));
    assert.equal(await heard(first, 3), 'now');
    first.destroy();
    const second = await connect();
    assert.equal(await heard(second, 13), 'hello banner ');
    second.end('PEER speaks');
    assert.equal((await readAll(sourceOf(channel))).toString(), 'PEER speaks');
    await sinkOf(channel).write(Buffer.from('to it alone'));
    await sinkOf(channel).finish();
    assert.equal(await heard(second, 11), 'to it alone');
    await sourceOf(channel).close();
  });

  it('continues, connection closed without a byte', async () => {
    const { opened, warnings, connect } = await listening(rules);
    const stray = await connect();
    const channel = await opened;
    const reading = readExactly(sourceOf(channel), 4);
    stray.destroy();
    const peer = await connect();
    peer.write('PEER');
    assert.equal((await reading).toString(), 'PEER');
    assert.equal(warnings.length, 1);
    await sinkOf(channel).abort();
  });

  it('reports the outcome to waiting connections and closes them', async () => {
    const { opened, connect } = await listening(rules);
    const waiting = await connect();
    const channel = await opened;
    await sinkOf(channel).write(Buffer.from('failed'));
    await sinkOf(channel).finish();
    await sourceOf(channel).close();
    assert.equal(await heard(waiting, 6), 'failed');
    await rejectsWith(sourceOf(channel).read(new Uint8Array(1)), 'ERR_LINK_CLOSED');
  });

  it('rejects a read with the reason of the signal', async () => {
    const stop = new AbortController();
    const { opened, connect } = await listening(rules, { signal: stop.signal });
    await connect();
    const read = sourceOf(await opened).read(new Uint8Array(1));
    stop.abort();
    await rejectsWith(read, 'ERR_INTERRUPTED');
  });
});
