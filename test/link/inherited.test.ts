// Descriptors that another process shares: their flags and offsets stay unchanged.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RamferryError } from '../../src/errors.js';
import { libc } from '../../src/os/libc.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput, openOutput } from '../../src/link/open.js';
import {
  nodeArguments,
  pattern,
  readAll,
  readExactly,
  rejectsWith,
  sinkOf,
  sourceOf,
  temporaryDirectory,
  WITHOUT_KOFFI,
} from './support.js';

const directory = temporaryDirectory();
const calls = libc();

const flagsOf = (fd: number): string =>
  /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '';

function makePipe(): [number, number] {
  const ends = calls?.pipe();
  assert.ok(ends !== undefined);
  return ends;
}

describe('inherited pipe', { skip: calls === undefined && 'koffi has no binary here' }, () => {
  it('carries bytes and keeps the flags of both ends', async () => {
    const [reading, writing] = makePipe();
    const flags = [flagsOf(reading), flagsOf(writing)];
    const input = await openInput(parseAddress(`fd:${reading}`));
    const output = await openOutput(parseAddress(`fd:${writing}`));
    assert.equal(input.duplex, false);
    const sent = pattern(1_000_003);
    const got = readExactly(sourceOf(input), sent.length);
    await sinkOf(output).write(sent);
    assert.ok((await got).equals(sent));
    assert.deepEqual([flagsOf(reading), flagsOf(writing)], flags);
    await sinkOf(output).finish();
    // The reopened pipe is closed. The inherited descriptor still works.
    fs.writeSync(writing, 'theirs');
    assert.equal((await readExactly(sourceOf(input), 6)).toString(), 'theirs');
    fs.closeSync(writing);
    assert.equal(await sourceOf(input).read(new Uint8Array(1)), 0);
    await sourceOf(input).close();
    assert.deepEqual(flagsOf(reading), flags[0]);
    fs.closeSync(reading);
  });

  it('leaves unrequested bytes in the pipe', async () => {
    const [reading, writing] = makePipe();
    const input = await openInput(parseAddress(`fd:${reading}`));
    const pending = readExactly(sourceOf(input), 10);
    fs.writeSync(writing, '0123456789next');
    assert.equal((await pending).toString(), '0123456789');
    await sleep(20);
    assert.equal(calls?.unread(reading), 4);
    await sourceOf(input).close();
    const rest = Buffer.alloc(10);
    assert.equal(fs.readSync(reading, rest), 4);
    fs.closeSync(reading);
    fs.closeSync(writing);
  });

  it('reads no byte, read aborted', async () => {
    const [reading, writing] = makePipe();
    const input = await openInput(parseAddress(`fd:${reading}`));
    const pending = sourceOf(input).read(new Uint8Array(10));
    await Promise.all([rejectsWith(pending, 'ERR_LINK_CLOSED'), sourceOf(input).close()]);
    fs.writeSync(writing, 'abc');
    await sleep(20);
    assert.equal(calls?.unread(reading), 3);
    fs.closeSync(reading);
    fs.closeSync(writing);
  });

  it('fails with ERR_LINK_CLOSED, reader closed', async () => {
    const [reading, writing] = makePipe();
    const output = await openOutput(parseAddress(`fd:${writing}`));
    fs.closeSync(reading);
    await rejectsWith(sinkOf(output).write(pattern(10)), 'ERR_LINK_CLOSED', /closed by the reader/);
    fs.closeSync(writing);
  });

  it('refuses the wrong end, and a descriptor that is not open', async () => {
    const [reading, writing] = makePipe();
    await rejectsWith(openInput(parseAddress(`fd:${writing}`)), 'ERR_INPUT_OPEN', /not open for reading/);
    await rejectsWith(openOutput(parseAddress(`fd:${reading}`)), 'ERR_OUTPUT_OPEN', /not open for writing/);
    fs.closeSync(reading);
    fs.closeSync(writing);
    await rejectsWith(openInput(parseAddress('fd:999999')), 'ERR_INPUT_OPEN');
    await rejectsWith(openOutput(parseAddress('fd:999999')), 'ERR_OUTPUT_OPEN');
  });
});

describe('inherited regular file', () => {
  it('is written at the shared offset and moves it to the end', async () => {
    const file = path.join(directory, 'shared');
    const fd = fs.openSync(file, 'wx+');
    fs.writeSync(fd, 'before ');
    const output = await openOutput(parseAddress(`fd:${fd}`));
    assert.equal(sinkOf(output).file, undefined);
    await sinkOf(output).write(Buffer.from('ours '));
    await sinkOf(output).finish(5);
    fs.writeSync(fd, 'after');
    assert.equal(fs.readFileSync(file, 'utf8'), 'before ours after');
    fs.closeSync(fd);
  });

  it('is appended to, O_APPEND', async () => {
    const file = path.join(directory, 'log');
    fs.writeFileSync(file, 'old ');
    const fd = fs.openSync(file, 'a');
    const output = await openOutput(parseAddress(`fd:${fd}`));
    await sinkOf(output).write(Buffer.from('new'));
    await sinkOf(output).finish();
    assert.equal(fs.readFileSync(file, 'utf8'), 'old new');
    fs.closeSync(fd);
  });

  it('is read from the shared offset, only the requested bytes', async () => {
    const file = path.join(directory, 'input');
    fs.writeFileSync(file, 'header-body-trailer');
    const fd = fs.openSync(file, 'r');
    fs.readSync(fd, Buffer.alloc(7));
    const input = await openInput(parseAddress(`fd:${fd}`));
    assert.equal(sourceOf(input).file, undefined);
    assert.equal((await readExactly(sourceOf(input), 5)).toString(), 'body-');
    await sourceOf(input).close();
    const rest = Buffer.alloc(7);
    fs.readSync(fd, rest);
    assert.equal(rest.toString(), 'trailer');
    fs.closeSync(fd);
  });
});

describe('inherited descriptor without data', () => {
  it('rejects a pending read at once with the reason of the signal', async () => {
    const child = spawn('sleep', ['10'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const stop = new AbortController();
    // The other end of the socket pair is in this process.
    const fd = (child.stdin as unknown as { _handle: { fd: number } })._handle.fd;
    const input = await openInput(parseAddress(`fd:${fd}`), { signal: stop.signal });
    const reason = new RamferryError('ERR_INTERRUPTED', 'enough');
    const pending = sourceOf(input).read(new Uint8Array(1));
    setTimeout(() => stop.abort(reason), 20);
    await assert.rejects(pending, (thrown) => thrown === reason);
    child.kill();
    await once(child, 'exit');
  });
});

// The child echoes descriptor 3, a blocking socket like the one that xenopsd passes to emu-manager.
const ECHO = `
  import fs from 'node:fs';
  const flags = () => fs.readFileSync('/proc/self/fdinfo/3', 'latin1').match(/flags:.*/)[0];
  const before = flags();
  const { openInput } = await lib('link/open.js');
  const { parseAddress } = await lib('link/address.js');
  const { source, sink, duplex } = await openInput(parseAddress('fd:3'));
  const target = new Uint8Array(new SharedArrayBuffer(300000));
  const during = flags();
  let total = 0;
  for (;;) {
    const count = await source.read(target);
    if (count === 0) break;
    total += count;
    await sink.write(target.subarray(0, count));
  }
  await sink.finish();
  await source.close();
  fs.writeSync(3, 'still open');
  console.log(JSON.stringify({ duplex, total, same: before === during && before === flags() }));
`;

for (const [title, prelude] of [
  ['an inherited socket', ''],
  ['an inherited socket, without koffi', WITHOUT_KOFFI],
] as const) {
  describe(title, () => {
    it('is duplex, keeps its flags, and is neither shut down nor closed', async () => {
      const child = spawn(process.execPath, nodeArguments(prelude + ECHO), {
        stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      });
      const socket = child.stdio[3] as net.Socket;
      const sent = pattern(2_000_001);
      const parts: Buffer[] = [];
      socket.on('data', (data: Buffer) => parts.push(data));
      let printed = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text));
      socket.end(sent);
      await once(child, 'close');
      assert.deepEqual(JSON.parse(printed), { duplex: true, total: sent.length, same: true });
      const got = Buffer.concat(parts);
      assert.ok(got.subarray(0, sent.length).equals(sent));
      assert.equal(got.subarray(sent.length).toString(), 'still open');
    });
  });
}

describe('FIFO', () => {
  it('is read to its end, writer opens later', async () => {
    const fifo = path.join(directory, 'in');
    execFileSync('mkfifo', [fifo]);
    const input = await openInput(parseAddress(fifo));
    const got = readAll(sourceOf(input));
    await sleep(50);
    const sent = pattern(300_000);
    const output = await openOutput(parseAddress(fifo));
    await sinkOf(output).write(sent);
    await sinkOf(output).finish();
    assert.ok((await got).equals(sent));
    await sourceOf(input).close();
  });

  it('is written to with a reader, and times out without one', async () => {
    const fifo = path.join(directory, 'out');
    execFileSync('mkfifo', [fifo]);
    const alone = openOutput(parseAddress(fifo), { connectTimeout: 50 });
    await rejectsWith(alone, 'ERR_OUTPUT_OPEN', /no process reads/);
    const opening = openOutput(parseAddress(fifo));
    await sleep(50);
    const input = await openInput(parseAddress(fifo));
    const output = await opening;
    await sinkOf(output).write(Buffer.from('hello'));
    assert.equal((await readExactly(sourceOf(input), 5)).toString(), 'hello');
    await sinkOf(output).abort();
    await sourceOf(input).close();
  });
});

describe('devices', () => {
  it('are read and written', async () => {
    const output = await openOutput(parseAddress('/dev/null'));
    await sinkOf(output).write(pattern(100_000));
    await sinkOf(output).finish(100_000);
    const input = await openInput(parseAddress('/dev/zero'));
    assert.equal(await sourceOf(input).read(new Uint8Array(1000).fill(1)), 1000);
    await sourceOf(input).close();
    assert.ok(fs.statSync('/dev/null').isCharacterDevice());
  });

  it('fail with the error of a full device', async () => {
    const output = await openOutput(parseAddress('/dev/full'));
    await rejectsWith(sinkOf(output).write(pattern(10)), 'ERR_OUTPUT_FULL', /no space left/);
    await sinkOf(output).abort();
  });
});
