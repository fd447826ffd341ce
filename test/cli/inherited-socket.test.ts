// A socket as standard input, alone or together with standard output, as inetd, socat and a Node parent start a program.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { noise } from '../codec/support.js';
import { within } from '../../lab/within.js';
import { MAIN, run } from './command.js';

const directory = mkdtempSync(join(tmpdir(), 'ramferry-'));
after(() => {
  rmSync(directory, { recursive: true, force: true });
});
const path = (name: string): string => join(directory, name);

const image = Buffer.concat([noise(3_000_000), Buffer.alloc(1 << 20), noise(4096 * 5, 2)]);
let stream: Buffer;
before(async () => {
  writeFileSync(path('in.ram'), image);
  assert.equal((await run(['send', path('in.ram'), path('in.rf'), '--quiet'])).status, 0);
  stream = readFileSync(path('in.rf'));
});

interface Served {
  /** The bytes that the command wrote to the socket. */
  readonly back: Buffer;
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

let sockets = 0;

/**
 * Runs a command whose standard input is a connected unix socket, and writes `bytes` to the socket.
 * @param both whether standard output is the same socket
 */
async function serve(args: readonly string[], bytes: Uint8Array, both = false): Promise<Served> {
  const name = path(`socket-${sockets++}`);
  const server = net.createServer({ pauseOnConnect: true }).listen(name);
  await once(server, 'listening');
  const peer = net.connect({ path: name, allowHalfOpen: true });
  const [accepted] = (await once(server, 'connection')) as [net.Socket];
  server.close();
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args, '--quiet'], {
    stdio: [accepted, both ? accepted : 'pipe', 'pipe'],
  });
  accepted.destroy();
  const back: Buffer[] = [];
  const stdout: Buffer[] = [];
  let stderr = '';
  peer.on('data', (piece: Buffer) => back.push(piece));
  // The exit status reports a command that ends without reading its input.
  peer.on('error', () => undefined);
  child.stdout?.on('data', (piece: Buffer) => stdout.push(piece));
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  peer.end(bytes);
  const ended = Promise.all([once(child, 'close'), once(peer, 'close')]);
  const [[status]] = (await within('the end of the command', ended, () => child.kill('SIGKILL'), 60_000)) as [
    [number | null],
    unknown,
  ];
  return { back: Buffer.concat(back), status, stdout: Buffer.concat(stdout), stderr };
}

describe('socket as standard input', () => {
  it('receive: restores the stream and writes nothing to the socket', async () => {
    const { status, stderr, back } = await serve(['receive', '-', path('out.ram')], stream);
    assert.deepEqual([status, stderr, back.length], [0, '', 0]);
    assert.ok(readFileSync(path('out.ram')).equals(image));
  });

  it('receive: fails and leaves no output, socket closed early', async () => {
    const { status, stderr, back } = await serve(
      ['receive', '-', path('none.ram')],
      stream.subarray(0, stream.length / 2),
    );
    assert.equal(status, 5);
    assert.match(stderr, /ERR_STREAM_TRUNCATED/);
    assert.equal(back.length, 0);
    assert.equal(existsSync(path('none.ram')), false);
  });

  it('send: reads the image to its end and writes nothing to the socket', async () => {
    const { status, back } = await serve(['send', '--format', 'raw', '-', path('out.rf')], image);
    assert.deepEqual([status, back.length], [0, 0]);
    assert.equal((await run(['receive', path('out.rf'), path('sent.ram'), '--quiet'])).status, 0);
    assert.ok(readFileSync(path('sent.ram')).equals(image));
  });
});

describe('one socket as standard input and output', () => {
  it('receive: reads the stream from it and writes the image to it', async () => {
    const { status, stderr, back } = await serve(['receive', '-', '-'], stream, true);
    assert.deepEqual([status, stderr], [0, '']);
    assert.ok(back.equals(image));
  });

  it('send: reads the image from it and writes the whole stream to it', async () => {
    const { status, back } = await serve(['send', '--format', 'raw', '-', '-'], image, true);
    assert.equal(status, 0);
    writeFileSync(path('back.rf'), back);
    assert.equal((await run(['receive', path('back.rf'), path('back.ram'), '--quiet'])).status, 0);
    assert.ok(readFileSync(path('back.ram')).equals(image));
  });

  it('transfers both ways, socket named by fd: addresses', async () => {
    const { status, back } = await serve(['receive', 'fd:0', 'fd:1'], stream, true);
    assert.equal(status, 0);
    assert.ok(back.equals(image));
  });
});
