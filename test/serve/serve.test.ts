// `ramferry serve` on both hosts: many guests through one address, names, the line, and what a failure costs the others.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { describe, it } from 'node:test';

import { within } from '../../lab/within.js';
import { type ErrorCode, RamferryError } from '../../src/errors.js';
import type { HistoryKey } from '../../src/transfer/adaptive/history/history.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { isTyped } from '../chunk/typed.js';
import { precopy } from '../grammar/support/qemu-streams.js';
import { image } from '../transfer/support/carry.js';
import { arriving, directory, host, leaving, pair, until } from './support.js';

const LIMIT = { timeout: 120_000 };
const guestNames = (count: number): string[] => Array.from({ length: count }, (_, index) => `guest-${index}`);
const stream = (seed: number): Buffer => Buffer.from(precopy(seed, 3, 200).bytes);

function failsWith(code: ErrorCode, text: RegExp): (thrown: unknown) => true {
  return (thrown) => {
    isTyped(code)(thrown);
    assert.match((thrown as RamferryError).message, text);
    return true;
  };
}

describe('serve', LIMIT, () => {
  it('carries many guests at once, each to its own hypervisor', async () => {
    const names = guestNames(12);
    const { source, destination, at } = await pair(names);
    const arrived = names.map((name) => arriving(`${at}/in/${name}.sock`));
    await Promise.all(
      names.map(async (name, index) => {
        const socket = await leaving(`${at}/out/${name}.sock`);
        socket.end(stream(index));
      }),
    );
    for (const [index, bytes] of (await Promise.all(arrived)).entries()) {
      assert.ok(bytes.equals(stream(index)), names[index]);
    }
    await Promise.all(names.map((name) => source.nextEnded(name)));
    await Promise.all(names.map((name) => destination.nextEnded(name)));
    for (const { ended } of [source, destination]) {
      assert.deepEqual(new Set(ended.map(({ status }) => status)), new Set(['completed']));
    }
    assert.equal(source.server.status().completed, 12);
  });

  it('begins each transfer with what the ones before have measured', async () => {
    const { destination, at } = await pair([]);
    const keys: HistoryKey[] = [];
    const memory = {
      guess: (key: HistoryKey) => (keys.push(key), { level: 3 }),
      record: (key: HistoryKey) => void keys.push(key),
    };
    const source = await host(
      { outgoing: `unix-listen:${at}/out/{name}.own`, connect: `unix:${at}/link`, guest: ['web1'] },
      memory,
    );
    const arrived = arriving(`${at}/in/web1.sock`);
    (await leaving(`${at}/out/web1.own`)).end(stream(1));
    assert.ok((await arrived).equals(stream(1)));
    await source.nextEnded('web1');
    await destination.nextEnded('web1');
    assert.deepEqual(keys, [keys[0], keys[0]]);
    assert.equal(keys[0]!.peer, `unix ${at}/link`);
  });

  it('ends one transfer and no other when a sender breaks off', async () => {
    const { source, destination, at } = await pair(['good', 'bad']);
    const good = arriving(`${at}/in/good.sock`);
    arriving(`${at}/in/bad.sock`).catch(() => undefined);
    const bad = await leaving(`${at}/out/bad.sock`);
    const fine = await leaving(`${at}/out/good.sock`);
    const bytes = stream(1);
    bad.write(bytes.subarray(0, 50_000));
    fine.write(bytes.subarray(0, 50_000));
    await until('both run', () => destination.server.status().transfers.length === 2);
    bad.destroy();
    const failed = await source.nextEnded('bad');
    assert.equal(failed.status, 'incomplete');
    assert.equal((await destination.nextEnded('bad')).status, 'failed');
    fine.end(bytes.subarray(50_000));
    assert.ok((await good).equals(bytes));
    assert.equal((await source.nextEnded('good')).status, 'completed');
  });

  it('names the guest whose hypervisor does not listen, at both ends', async () => {
    const { source, destination, at } = await pair(['lost'], {}, { connectTimeout: 50 });
    const socket = await leaving(`${at}/out/lost.sock`);
    socket.write(stream(1).subarray(0, 10_000));
    const [sent, received] = await Promise.all([source.nextEnded('lost'), destination.nextEnded('lost')]);
    assert.equal(sent.error!.code, 'ERR_PEER_FAILED');
    assert.equal(received.error!.code, 'ERR_LINK_CONNECT');
    assert.match(received.error!.message, /in\/lost\.sock/);
    await within('the end of the connection', new Promise((resolve) => socket.once('close', resolve)));
  });

  it('lets further guests wait in line, and says at which place', async () => {
    const names = guestNames(3);
    const { source, destination, at } = await pair(names, {}, { maxTransfers: 1 });
    const arrived = names.map((name) => arriving(`${at}/in/${name}.sock`));
    const sockets: net.Socket[] = [];
    for (const [index, name] of names.entries()) {
      const socket = await leaving(`${at}/out/${name}.sock`);
      sockets.push(socket);
      socket.write(stream(index).subarray(0, 1000));
      await until(`${name} is known`, () => destination.server.status().transfers.length === index + 1);
    }
    const places = destination.server.status().transfers.map(({ state, ahead }) => [state, ahead]);
    assert.deepEqual(places, [
      ['running', 0],
      ['waiting', 1],
      ['waiting', 2],
    ]);
    await until('the place is heard', () =>
      source.warnings.some((text) => text.includes('2 before this one')),
    );
    for (const [index, socket] of sockets.entries()) {
      socket.end(stream(index).subarray(1000));
      assert.ok((await arrived[index]!).equals(stream(index)));
    }
  });

  it('forgets a sender that leaves the line', async () => {
    const { destination, at } = await pair(['first'], {}, { maxTransfers: 1 });
    const first = arriving(`${at}/in/first.sock`);
    const socket = await leaving(`${at}/out/first.sock`);
    socket.write(stream(1).subarray(0, 1000));
    await until('the first runs', () => destination.server.status().transfers.length === 1);
    const stop = new AbortController();
    const second = send({
      input: `exec:cat /dev/zero`,
      format: 'opaque',
      output: `unix:${at}/link`,
      name: 'second',
      signal: stop.signal,
    });
    second.catch(() => undefined);
    await until('the second waits', () => destination.server.status().transfers.length === 2);
    stop.abort(new RamferryError('ERR_INTERRUPTED', 'stop'));
    await assert.rejects(second, isTyped('ERR_INTERRUPTED'));
    assert.match((await destination.nextEnded('second')).error!.message, /left the line/);
    socket.end(stream(1).subarray(1000));
    assert.ok((await first).equals(stream(1)));
  });

  it('refuses a second transfer of a guest that is on its way', async () => {
    const { destination, at } = await pair(['web1']);
    arriving(`${at}/in/web1.sock`).catch(() => undefined);
    (await leaving(`${at}/out/web1.sock`)).write(stream(1).subarray(0, 1000));
    await until('it runs', () => destination.server.status().transfers.length === 1);
    const again = send({
      input: 'exec:cat /dev/zero',
      format: 'opaque',
      output: `unix:${at}/link`,
      name: 'web1',
    });
    await assert.rejects(again, failsWith('ERR_PEER_FAILED', /on its way already/));
    assert.equal(destination.server.status().transfers.length, 1);
  });

  it('refuses a further connection of a hypervisor at once, and says what to do', async () => {
    const { source, at } = await pair(['web1']);
    const arrived = arriving(`${at}/in/web1.sock`);
    // A channel of postcopy-preempt says nothing at first, and may come before the main one has said a byte.
    const early = await leaving(`${at}/out/web1.sock`);
    const main = await leaving(`${at}/out/web1.sock`);
    main.write(stream(1).subarray(0, 1000));
    await Promise.race([once(early, 'end'), once(early, 'close')]);
    const further = await leaving(`${at}/out/web1.sock`);
    await Promise.race([once(further, 'end'), once(further, 'close')]);
    assert.match(source.warnings.join(), /web1 is on its way already.*--hypervisor-connections/);
    main.end(stream(1).subarray(1000));
    assert.ok((await arrived).equals(stream(1)));
  });

  it('refuses a sender without a name, and says so', async () => {
    const { destination, at } = await pair([]);
    const unnamed = send({ input: 'exec:cat /dev/zero', format: 'opaque', output: `unix:${at}/link` });
    await assert.rejects(unnamed, failsWith('ERR_PEER_FAILED', /which guest/));
    assert.equal(destination.server.status().refused, 1);
  });

  it('refuses names that leave their directory', async () => {
    for (const name of ['../x', '.hidden', 'a/b', 'a..b', '-x', '', 'x'.repeat(65), 'a b', 'ä']) {
      await assert.rejects(
        send({ input: '-', output: 'unix:/nowhere', name }),
        isTyped('ERR_OPTION_INVALID'),
        name,
      );
    }
  });

  it('serves guests among connections that are none', async () => {
    const { destination, at } = await pair(['web1']);
    const strangers = await Promise.all(
      Array.from({ length: 80 }, async (_, index) => {
        const socket = net.connect({ path: `${at}/link` });
        socket.on('error', () => undefined).resume();
        await once(socket, 'connect');
        if (index % 2 === 0) socket.write('GET / HTTP/1.1\r\n\r\n');
        return socket;
      }),
    );
    const arrived = arriving(`${at}/in/web1.sock`);
    (await leaving(`${at}/out/web1.sock`)).end(stream(1));
    assert.ok((await arrived).equals(stream(1)));
    await until('the strangers are refused', () => destination.server.status().refused >= 40);
    for (const socket of strangers) socket.destroy();
  });
});

describe('serve, sockets of outgoing guests', LIMIT, () => {
  it('opens and closes them while it runs', async () => {
    const { source, at } = await pair([]);
    const path = `${at}/out/late.sock`;
    assert.ok(!fs.existsSync(path));
    await source.server.open('late');
    assert.equal(fs.statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(source.server.status().sockets, ['late']);
    const arrived = arriving(`${at}/in/late.sock`);
    const socket = await leaving(path);
    source.server.close('late');
    assert.ok(!fs.existsSync(path));
    socket.end(stream(2));
    assert.ok((await arrived).equals(stream(2)));
    assert.throws(() => source.server.close('late'), isTyped('ERR_OPTION_INVALID'));
  });

  it('replaces a socket that a killed server has left behind', async () => {
    const { source, at } = await pair([]);
    const path = `${at}/out/old.sock`;
    const killed = net.createServer().listen(path);
    await once(killed, 'listening');
    fs.linkSync(path, `${path}.kept`);
    killed.close();
    fs.renameSync(`${path}.kept`, path);
    await source.server.open('old');
  });
});

describe('serve, who may connect', LIMIT, () => {
  it('makes sockets for a group', async () => {
    const socketGroup = String(process.getgid!());
    const { at } = await pair(['web1'], { socketGroup }, { socketMode: '0666' });
    assert.equal(fs.statSync(`${at}/out/web1.sock`).mode & 0o777, 0o660);
    assert.equal(fs.statSync(`${at}/link`).mode & 0o777, 0o666);
  });

  it('refuses senders of other addresses, and counts them', async () => {
    const at = directory();
    const incoming = `unix:${at}/{name}.sock`;
    const listen = 'tcp-listen:127.0.0.1:0';
    const { addresses, server, warnings } = await host({ incoming, listen, allow: ['192.0.2.0/24'] });
    const sending = send({ input: '-', format: 'opaque', output: addresses[0]!, name: 'web1' });
    await assert.rejects(sending, (thrown) => (thrown as RamferryError).code.startsWith('ERR_LINK_'));
    assert.equal(server.status().refused, 1);
    assert.match(warnings[0]!, /--allow/);
  });
});

describe('serve, at its end', LIMIT, () => {
  it('takes no more guests and ends the running ones', async () => {
    const { source, destination, at } = await pair(['web1']);
    const arrived = arriving(`${at}/in/web1.sock`);
    const socket = await leaving(`${at}/out/web1.sock`);
    socket.write(stream(1).subarray(0, 10_000));
    await until('it runs', () => destination.server.status().transfers.length === 1);
    const drained = Promise.all([source.server.drain(), destination.server.drain()]);
    assert.ok(!fs.existsSync(`${at}/out/web1.sock`));
    // It listens on for the senders of its running transfers.
    await assert.rejects(
      send({ input: '-', output: `unix:${at}/link`, name: 'late', connectTimeout: 0 }),
      failsWith('ERR_PEER_FAILED', /takes no more guests/),
    );
    socket.end(stream(1).subarray(10_000));
    assert.ok((await arrived).equals(stream(1)));
    await drained;
    assert.ok(!fs.existsSync(`${at}/link`));
    assert.equal((await source.nextEnded('web1')).status, 'completed');
  });

  it('aborts running transfers with a typed outcome at both ends', async () => {
    const { source, destination, at } = await pair(['web1']);
    arriving(`${at}/in/web1.sock`).catch(() => undefined);
    (await leaving(`${at}/out/web1.sock`)).write(stream(1).subarray(0, 10_000));
    await until('it runs', () => destination.server.status().transfers.length === 1);
    destination.server.abort(new RamferryError('ERR_TERMINATED', 'ended by a signal'));
    await destination.server.drain();
    assert.equal((await destination.nextEnded('web1')).status, 'cancelled');
    const { error } = await source.nextEnded('web1');
    assert.equal(error!.code, 'ERR_PEER_FAILED');
    assert.match(error!.message, /ERR_TERMINATED/);
  });
});

describe('serve, options', LIMIT, () => {
  const refused = (options: Parameters<typeof host>[0], text: RegExp): Promise<void> =>
    assert.rejects(host(options), failsWith('ERR_OPTION_INVALID', text));

  it('are refused by name', async () => {
    await refused({}, /nothing to serve/);
    await refused({ incoming: 'unix:/run/{name}' }, /needs --listen/);
    await refused({ incoming: 'unix:/run/guest', listen: 'tcp:127.0.0.1:4444' }, /pattern/);
    await refused({ incoming: 'tcp:{name}:1', listen: 'tcp:127.0.0.1:4444' }, /pattern/);
    await refused({ outgoing: 'unix-listen:/run/{name}', connect: 'exec:cat' }, /connect/);
    await refused({ incoming: 'unix:/run/{name}', listen: 'tcp-listen:0.0.0.0:0' }, /unencrypted/);
    const fine = { incoming: 'unix:/run/{name}', listen: 'tcp-listen:127.0.0.1:0' };
    await refused({ ...fine, socketMode: '0660' }, /no socket is made/);
    await refused({ ...fine, listen: 'unix:/run/link', allow: ['10.0.0.1'] }, /no tcp address listens/);
  });

  it('refuse a memory limit that leaves a transfer nothing', async () => {
    const few = { incoming: 'unix:/run/{name}', listen: 'tcp-listen:127.0.0.1:0' } as const;
    await assert.rejects(
      host({ ...few, memoryLimit: '100MiB', maxTransfers: 1000 }),
      isTyped('ERR_MEMORY_LIMIT'),
    );
  });
});

describe('send --name', LIMIT, () => {
  it('means nothing to a receiver of one guest', async () => {
    const bytes = image(102_400);
    const at = directory();
    fs.writeFileSync(`${at}/image`, bytes);
    const receiving = receive({ input: `unix-listen:${at}/s`, output: `${at}/restored` });
    await send({ input: `${at}/image`, output: `unix:${at}/s`, name: 'web1' });
    await receiving;
    assert.ok(fs.readFileSync(`${at}/restored`).equals(bytes));
  });
});
