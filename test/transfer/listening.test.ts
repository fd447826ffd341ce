// Who may connect where a transfer listens: addresses, the permissions of sockets, and sockets without a file.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, it } from 'node:test';

import { receive, send } from '../../src/index.js';
import type { ReceiveOptions } from '../../src/options/rows/receive.js';
import { pattern, rejectsWith, temporaryDirectory } from '../link/support.js';

const directory = temporaryDirectory();
const image = path.join(directory, 'guest.ram');
fs.writeFileSync(image, pattern(40_960));
const EXACT_NAMES = Number(process.versions.node.split('.')[0]) >= 22;
const isRoot = process.getuid!() === 0;

interface Receiving {
  readonly address: string;
  readonly warnings: string[];
  readonly done: Promise<unknown>;
}

async function receiving(input: string, more: Partial<ReceiveOptions> = {}): Promise<Receiving> {
  const warnings: string[] = [];
  const stop = new AbortController();
  after(() => stop.abort());
  let done: Promise<unknown> | undefined;
  const address = await new Promise<string>((resolve, reject) => {
    done = receive({
      ...{ input, output: path.join(directory, 'out'), force: true, signal: stop.signal, ...more },
      onListening: resolve,
      onWarning: (text) => warnings.push(text),
    });
    done.catch(reject);
  });
  return { address, warnings, done: done! };
}

async function carried({ address, done }: Receiving): Promise<void> {
  await send({ input: image, output: address });
  await done;
  assert.ok(fs.readFileSync(path.join(directory, 'out')).equals(fs.readFileSync(image)));
}

describe('--allow', () => {
  it('closes connections of other hosts, names them, and takes the peer', async () => {
    const receiver = await receiving('tcp-listen:0.0.0.0:0', { allow: ['127.0.0.2/32', '::1'] });
    const port = Number(receiver.address.split(':').at(-1));
    const stranger = net.connect({ host: '127.0.0.1', port });
    stranger.on('error', () => undefined).resume();
    await once(stranger, 'close');
    const relay = net.createServer({ allowHalfOpen: true }, (near) => {
      const far = net.connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2', allowHalfOpen: true });
      near.pipe(far).pipe(near);
    });
    after(() => relay.close());
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    const address = `tcp:127.0.0.1:${(relay.address() as net.AddressInfo).port}`;
    await carried({ ...receiver, address });
    assert.match(receiver.warnings.join('\n'), /closed a connection from 127\.0\.0\.1:\d+: .*--allow/);
  });

  it('takes hosts of IPv4 at a listener of both families', async (context) => {
    const receiver = await receiving('tcp-listen:[::]:0', { allow: ['127.0.0.0/8'] }).catch(() => undefined);
    if (receiver === undefined) return context.skip('this host has no IPv6');
    const port = receiver.address.split(':').at(-1)!;
    await carried({ ...receiver, address: `tcp:127.0.0.1:${port}` });
  });
});

describe('sockets that ramferry makes', () => {
  const modeOf = (file: string): number => fs.statSync(file).mode & 0o777;

  it('are for their owner alone, or as --socket-mode says', async () => {
    for (const [options, mode] of [
      [{}, 0o600],
      [{ socketMode: '0666' }, 0o666],
      [{ socketMode: '660' }, 0o660],
      [{ socketGroup: String(process.getgid!()) }, 0o660],
      [{ socketGroup: String(process.getgid!()), socketMode: '0620' }, 0o620],
    ] as const) {
      const file = path.join(directory, 'socket');
      const receiver = await receiving(`unix-listen:${file}`, options);
      assert.equal(modeOf(file), mode);
      await carried(receiver);
    }
  });

  it(
    'belong to the group of --socket-group',
    { skip: !isRoot && 'only root belongs to all groups' },
    async () => {
      const [name, , gid] = fs.readFileSync('/etc/group', 'utf8').split('\n')[1]!.split(':');
      const file = path.join(directory, 'of-group');
      const receiver = await receiving(`unix-listen:${file}`, { socketGroup: name! });
      assert.equal(fs.statSync(file).gid, Number(gid));
      await carried(receiver);
    },
  );
});

describe('options of listeners', () => {
  it('are refused where nothing listens that they are about, or they are none', async () => {
    const ends = { input: 'tcp-listen:0', output: path.join(directory, 'none') };
    const unix = { ...ends, input: `unix-listen:${directory}/none.sock` };
    const refused = (options: ReceiveOptions, text: RegExp): Promise<void> =>
      rejectsWith(receive(options), 'ERR_OPTION_INVALID', text);
    await refused({ ...unix, allow: ['10.0.0.0/8'] }, /allow.*no tcp address listens/);
    await refused({ ...ends, allow: ['10.0.0.0/33'] }, /allow.*10\.0\.0\.0\/33/);
    await refused({ ...ends, socketMode: '0660' }, /socketMode.*no socket/);
    await refused({ ...ends, socketGroup: 'kvm' }, /socketGroup.*no socket/);
    await refused({ ...unix, socketGroup: 'no-such-group' }, /no group 'no-such-group'/);
    for (const socketMode of ['0400', '1777', 'rw', '0o660', '']) {
      await refused({ ...unix, socketMode }, /socketMode/);
    }
    assert.ok(!fs.existsSync(`${directory}/none.sock`));
    await rejectsWith(
      send({ input: image, output: 'tcp:127.0.0.1:1', allow: ['10.0.0.1'] }),
      'ERR_OPTION_INVALID',
      /allow/,
    );
  });
});

describe('abstract sockets', () => {
  it('have exactly their name, and no file', { skip: !EXACT_NAMES && 'Node.js 22' }, async () => {
    const name = `@ramferry-${process.pid}`;
    const receiver = await receiving(`unix-listen:${name}`);
    assert.equal(receiver.address, `unix:${name}`);
    const names = fs
      .readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map((line) => line.split(' ').at(-1));
    assert.ok(names.includes(name));
    assert.ok(!fs.existsSync(name));
    assert.match(receiver.warnings.join('\n'), /every process of this host/);
    await carried(receiver);
    await rejectsWith(
      receive({ input: `unix-listen:${name}`, output: '-', socketMode: '0660' }),
      'ERR_OPTION_INVALID',
      /abstract|no socket/,
    );
  });

  it('are refused by name before Node.js 22', { skip: EXACT_NAMES && 'this Node.js has them' }, async () => {
    await rejectsWith(
      receive({ input: 'unix-listen:@name', output: '-' }),
      'ERR_LINK_ADDRESS',
      /Node\.js 22/,
    );
    await rejectsWith(send({ input: image, output: 'unix:@name' }), 'ERR_LINK_ADDRESS', /Node\.js 22/);
  });
});
