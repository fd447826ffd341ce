// Outcomes that depend on the programs at both ends: a writer that breaks off, and a reader that closes with bytes unread. The
// hypervisor is a socket; test/interop/qemu-outcomes.test.ts uses real hypervisors.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import net, { type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { RamferryError } from '../../src/errors.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import type { TransferSummary } from '../../src/transfer/statistics/summary.js';
import { isTyped } from '../chunk/typed.js';
import { oldMachine, precopy } from '../grammar/support/qemu-streams.js';
import { wellFormed } from '../grammar/support/xen-streams.js';
import { guestStream } from '../hypervisor/support/guests.js';
import { image, listening, type SendExtras, workplace } from './support/carry.js';
import { introduction } from './support/peers.js';

const LIMIT = { timeout: 120_000 };
const place = workplace();
const qemu = precopy(1, 2, 12, 2).bytes;

interface Sent {
  readonly summary?: TransferSummary;
  readonly error?: RamferryError;
  readonly warnings: readonly string[];
  readonly output: string;
}

/** Sends from a connection that writes these bytes and closes. @returns the outcome of `send` */
async function sendFromSocket(bytes: Uint8Array, extras: SendExtras = {}): Promise<Sent> {
  const output = place.path('sent');
  const warnings: string[] = [];
  const onWarning = (text: string): number => warnings.push(text);
  const { ready, result } = listening((onListening) =>
    send({
      input: `unix-listen:${place.path('socket')}`,
      ...{ output, onListening, onWarning, compressThreads: 1, ...extras },
    }),
  );
  result.catch(() => undefined);
  const hypervisor = net.connect((await ready).slice('unix:'.length));
  await once(hypervisor, 'connect');
  hypervisor.end(bytes);
  hypervisor.resume();
  return result.then(
    (summary) => ({ summary, warnings, output }),
    (error: unknown) => ({ error: error as RamferryError, warnings, output }),
  );
}

describe('send, from a connection', () => {
  for (const method of ['xenguest', 'stream'] as const) {
    it(`ends incomplete and leaves no output, cut anywhere, method ${method}`, LIMIT, async () => {
      const xen = wellFormed();
      for (const [bytes, cuts] of [
        [qemu, [1, 3, 4, 8, 186, 224, qemu.length >> 1, qemu.length - 1]],
        [xen['pv']!.stream.bytes(), [3, 41, 5000, xen['pv']!.stream.bytes().length - 1]],
        [xen['xl']!.stream.bytes(), [40, 5000]],
      ] as const) {
        for (const cut of cuts) {
          const { error, output } = await sendFromSocket(bytes.subarray(0, cut), { method });
          assert.equal(error?.code, 'ERR_INPUT_INCOMPLETE', `cut at ${cut}: ${error?.message}`);
          assert.equal(error.exitCode, 9);
          assert.ok(!existsSync(output));
        }
      }
    });

    it(`reports stream-end seen without a warning, whole stream, method ${method}`, LIMIT, async () => {
      for (const bytes of [qemu, wellFormed()['pv']!.stream.bytes(), wellFormed()['xl']!.stream.bytes()]) {
        const { summary, warnings } = await sendFromSocket(bytes, { method });
        assert.equal(summary?.status, 'completed');
        assert.equal(summary.streamEnd, 'seen');
        assert.deepEqual(warnings, []);
      }
    });

    it(`reports stream-end unseen and warns, end unknown, method ${method}`, LIMIT, async () => {
      for (const bytes of [oldMachine(1).bytes, Buffer.from('what nothing knows'.repeat(999))]) {
        const { summary, warnings } = await sendFromSocket(bytes, { method });
        assert.equal(summary?.streamEnd, 'unseen');
        assert.match(warnings.join(), /cannot be verified/);
      }
    });
  }

  it('rejects a multifd channel, and names it', LIMIT, async () => {
    const { error, output } = await sendFromSocket(Buffer.from('1122334400000001', 'hex'));
    assert.equal(error?.code, 'ERR_INPUT_UNKNOWN');
    assert.match(error.message, /multifd/);
    assert.ok(!existsSync(output));
  });

  it('ends incomplete, format given and no byte read', LIMIT, async () => {
    const path = place.path('silent');
    // The test listens, because a listening sender would wait for the next connection.
    const server = net.createServer((socket) => socket.end()).listen(path);
    await once(server, 'listening');
    try {
      for (const format of ['auto', 'raw', 'opaque', 'qemu', 'libvirt'] as const) {
        const sending = send({
          input: `unix:${path}`,
          output: place.path('sent'),
          format,
          compressThreads: 1,
        });
        await assert.rejects(sending, isTyped('ERR_INPUT_INCOMPLETE'), format);
      }
    } finally {
      server.close();
    }
  });
});

describe('send, from a file', () => {
  it('reports the link and not the input, receiver resets within the stream', LIMIT, async () => {
    const input = place.file('xen', guestStream(16));
    const server = net.createServer((socket) => {
      socket.write(introduction({ xenguest: [1, 2] }));
      socket.once('data', () => socket.resetAndDestroy());
      socket.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    try {
      for (const method of ['xenguest', 'stream'] as const) {
        const output = `tcp:127.0.0.1:${port}`;
        const sending = send({
          input,
          output,
          method,
          codec: 'lz4',
          chunkSize: '64KiB',
          compressThreads: 1,
        });
        await assert.rejects(sending, isTyped('ERR_LINK_CLOSED'), method);
      }
    } finally {
      server.close();
    }
  });

  it('reports stream-end seen for a RAM image, every method', LIMIT, async () => {
    const input = place.file('ram', image(1024 * 1024));
    for (const method of ['xenguest', 'stream'] as const) {
      const summary = await send({ input, output: place.path('sent'), method, compressThreads: 1 });
      assert.equal(summary.streamEnd, 'seen');
    }
  });

  it('accepts an empty file as complete', LIMIT, async () => {
    const summary = await send({ input: place.file('empty', Buffer.alloc(0)), output: place.path('sent') });
    assert.equal(summary.streamEnd, 'unseen');
  });
});

describe('receive, of an uncompressed QEMU stream', () => {
  it('passes a whole stream on and reports stream-end seen', LIMIT, async () => {
    const output = place.path('received');
    const summary = await receive({ input: place.file('plain', qemu), output });
    assert.deepEqual([summary.status, summary.streamEnd], ['unverified', 'seen']);
    assert.ok(readFileSync(output).equals(qemu));
  });

  it('fails and leaves no output, cut stream without --pass-through', LIMIT, async () => {
    const input = place.file('plain', qemu.subarray(0, 9000));
    const output = place.path('received');
    await assert.rejects(receive({ input, output }), isTyped('ERR_STREAM_TRUNCATED'));
    assert.ok(!existsSync(output));
    await receive({ input, output, passThrough: true });
    assert.ok(readFileSync(output).equals(qemu.subarray(0, 9000)));
  });
});

/** Receives a stream of so many bytes of RAM into a connection to `hypervisor`. */
async function receiveInto(
  kind: 'unix' | 'tcp',
  bytes: number,
  hypervisor: (socket: Socket) => void | Promise<void>,
): Promise<{ work: Promise<TransferSummary>; served: Promise<void> }> {
  const input = place.path('stream');
  await send({ input: place.file('ram', image(bytes)), output: input, compressThreads: 1 });
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const served = once(server, 'connection').then(async ([socket]) => {
    server.close();
    (socket as Socket).on('error', () => undefined);
    await hypervisor(socket as Socket);
  });
  const path = place.path('in');
  if (kind === 'unix') server.listen(path);
  else server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const output =
    kind === 'unix' ? `unix:${path}` : `tcp:127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  const work = receive({ input, output, decompressThreads: 1 });
  work.catch(() => undefined);
  return { work, served };
}

/** Reads to the end. @returns the number of bytes */
async function readToEnd(socket: Socket): Promise<number> {
  let count = 0;
  socket.on('data', (piece: Buffer) => (count += piece.length)).resume();
  await once(socket, 'end');
  return count;
}

for (const kind of ['unix', 'tcp'] as const) {
  describe(`receive, into a ${kind} connection`, () => {
    // The small size fits the kernel's buffers, so the writer can finish although the reader has read no byte.
    for (const size of [16_384, 8 * 1024 * 1024]) {
      it(`fails with an error of the output, closed with bytes unread: ${size} bytes`, LIMIT, async () => {
        const { work, served } = await receiveInto(kind, size, async (socket) => {
          await sleep(300);
          socket.destroy();
        });
        await assert.rejects(work, isTyped('ERR_OUTPUT_WRITE'));
        await served;
      });

      it(`succeeds, closed when all was read: ${size} bytes`, LIMIT, async () => {
        let count = 0;
        const { work, served } = await receiveInto(kind, size, async (socket) => {
          await sleep(100);
          count = await readToEnd(socket);
          socket.destroy();
        });
        assert.equal((await work).status, 'completed');
        await served;
        assert.equal(count, size);
      });

      it(`succeeds, reader ends its own direction at once: ${size} bytes`, LIMIT, async () => {
        const { work, served } = await receiveInto(kind, size, async (socket) => {
          socket.end();
          await sleep(200);
          assert.equal(await readToEnd(socket), size);
        });
        await work;
        await served;
      });
    }
  });
}

describe('receive, into a unix connection', () => {
  it('waits until the reader has read everything', LIMIT, async () => {
    let read = false;
    const { work } = await receiveInto('unix', 16_384, async (socket) => {
      await sleep(500);
      read = true;
      await readToEnd(socket);
    });
    await work;
    assert.ok(read);
  });

  it('relays the end of the return path to the hypervisor at the source', LIMIT, async () => {
    // With return-path, QEMU's source ends its stream only after an answer, and a destination that died sends none.
    const server = net.createServer({ allowHalfOpen: true }).listen(place.path('in'));
    await once(server, 'listening');
    const arrived = once(server, 'connection') as Promise<[Socket]>;
    const receiving = listening((onListening) =>
      receive({
        input: `unix-listen:${place.path('link')}`,
        output: `unix:${server.address() as string}`,
        onListening,
      }),
    );
    const sending = listening((onListening) =>
      receiving.ready.then((output) =>
        send({ input: `unix-listen:${place.path('out')}`, output, onListening }),
      ),
    );
    for (const { result } of [receiving, sending]) result.catch(() => undefined);
    const source = net.connect({ path: (await sending.ready).slice('unix:'.length), allowHalfOpen: true });
    const ended = once(source.resume(), 'end');
    source.write(qemu);
    const [destination] = await arrived;
    server.close();
    let count = 0;
    destination.on('data', (piece: Buffer) => {
      count += piece.length;
      if (count === qemu.length) destination.destroy();
    });
    await ended;
    source.end();
    assert.equal((await sending.result).streamEnd, 'seen');
    await receiving.result;
  });
});

describe('receive, into a pipe', () => {
  it('fails when its reader closes with bytes unread', LIMIT, async () => {
    const input = place.path('stream');
    await send({ input: place.file('ram', image(16_384)), output: input, compressThreads: 1 });
    const status = place.path('status');
    const { execFile } = await import('node:child_process');
    const main = new URL('../../src/cli/main.js', import.meta.url).pathname;
    const script = `(node "$1" receive "$2" - 2>/dev/null; echo $? > "$3") | sleep 0.7; sleep 0.3`;
    const shell = execFile('/bin/sh', [
      '-c',
      `${script}; while [ ! -s "$3" ]; do sleep 0.1; done`,
      'sh',
      main,
      input,
      status,
    ]);
    await once(shell, 'close');
    assert.equal(readFileSync(status, 'latin1').trim(), '6');
  });
});
