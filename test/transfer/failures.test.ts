// Transfers that fail on either side: the error has the right code, both sides report it, nothing hangs, and no output is left.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { writeMessage } from '../../src/control/messages.js';
import { resultMessage } from '../../src/control/negotiation.js';
import { type ErrorCode, RamferryError } from '../../src/errors.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { MIB } from '../../src/units.js';
import { isTyped } from '../chunk/typed.js';
import { noise } from '../codec/support.js';
import { carry, image, listening, workplace } from './support/carry.js';
import { decodeStream, encodeStream } from './support/memory-link.js';
import { connectTo, introduction, peerAt, type Peer } from './support/peers.js';

const LIMIT = { timeout: 30_000 };
const place = workplace();
const busy = image(3 * MIB);
const busyFile = place.file('busy.ram', busy);

/** Sends to a scripted peer. @returns the sender's error and the peer */
async function sendTo(
  talk: (peer: Peer) => Promise<void>,
  options: Partial<Parameters<typeof send>[0]> = {},
): Promise<{ error: RamferryError; peer: Peer }> {
  const { done, address } = await peerAt(place.path('peer'), talk);
  const outcome = await send({ input: busyFile, output: address, compressThreads: 1, ...options }).then(
    () => assert.fail('the sender succeeded'),
    (thrown: unknown) => thrown,
  );
  assert.ok(outcome instanceof RamferryError, String(outcome));
  return { error: outcome, peer: await done };
}

describe('handshake', () => {
  const asked = { codec: 'zstd', chunkSize: '1MiB' } as const;
  const refusals: [name: string, hello: () => Buffer, text: RegExp][] = [
    ['another version', () => introduction({ versions: [2] }), /stream version/],
    ['no zstd', () => introduction({ codecs: ['none', 'lz4'] }), /none, lz4/],
    ['small chunks only', () => introduction({ maxChunk: 65_536 }), /chunk size/],
    ['chunks too small for any sender', () => introduction({ maxChunk: 65_535 }), /chunk size/],
    ['little memory', () => introduction({ memory: 1000 }), /memory/],
    ['another protocol', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /ramferry receive/],
    [
      'another message',
      () => Buffer.concat([introduction().subarray(0, 8), resultMessage({ ok: true })]),
      /receive/,
    ],
    [
      'a first message of 4 GiB',
      () => Buffer.concat([introduction().subarray(0, 12), Buffer.alloc(8, 0xff)]),
      /claims/,
    ],
  ];
  for (const [name, hello, text] of refusals) {
    it(`fails before a byte is sent, receiver of ${name}`, LIMIT, async () => {
      const { error, peer } = await sendTo(async (talking) => {
        talking.say(hello());
        await talking.ended;
      }, asked);
      assert.ok(['ERR_LINK_NEGOTIATION', 'ERR_STREAM_LIMIT'].includes(error.code), error.code);
      assert.match(error.message, text);
      assert.equal(peer.received.length, 0);
    });
  }

  it('narrows codec and chunk size that the user did not name', LIMIT, async () => {
    for (const [hello, codec, largest] of [
      [{ codecs: ['brotli', 'none', 'lz4'] }, 'lz4', MIB],
      [{ codecs: ['none'], maxChunk: 65_536 }, 'none', 65_536],
      [{ maxChunk: 70_001 }, 'zstd', 69_632],
    ] as const) {
      let stream: Buffer = Buffer.alloc(0);
      const { done, address } = await peerAt(place.path('peer'), async (talking) => {
        talking.say(introduction(hello as object));
        await talking.ended;
        stream = talking.received;
        talking.say(resultMessage({ ok: true, bytes: busy.length }));
        await talking.hangsUp();
      });
      const warnings: string[] = [];
      // Input from a pipe: a grammar holds bytes back, and a chunk must have room for them.
      const input = `exec:cat ${busyFile}`;
      const sending = {
        input,
        output: address,
        compressThreads: 1,
        onWarning: (text: string) => warnings.push(text),
      };
      const { chunks } = await send(sending);
      await done;
      assert.ok((await decodeStream(stream)).equals(busy));
      assert.equal(stream.readUInt32LE(20), largest);
      assert.ok(chunks.codecs[codec] !== undefined);
      assert.match(warnings.join(), new RegExp(`the receiver takes codec ${codec}`));
    }
  });

  it('refuses a receiver whose chunks cannot hold what a grammar holds back', LIMIT, async () => {
    for (const maxChunk of [1, 4096, 65_535]) {
      const { error, peer } = await sendTo(
        async (talking) => {
          talking.say(introduction({ maxChunk }));
          await talking.ended;
        },
        { input: `exec:cat ${busyFile}` },
      );
      assert.equal(error.code, 'ERR_LINK_NEGOTIATION');
      assert.equal(peer.received.length, 0);
    }
  });

  it('succeeds, messages byte by byte', LIMIT, async () => {
    const { error, peer } = await sendTo(async (talking) => {
      for (const byte of Buffer.concat([introduction({ codecs: [] })])) {
        talking.say(Buffer.of(byte));
        await setTimeout(0);
      }
      await talking.ended;
    });
    assert.equal(error.code, 'ERR_LINK_NEGOTIATION');
    assert.equal(peer.received.length, 0);
  });

  it('fails with an error of the link, peer closes without a byte', LIMIT, async () => {
    const { error } = await sendTo(() => Promise.resolve());
    assert.ok(['ERR_LINK_NEGOTIATION', 'ERR_LINK_CLOSED'].includes(error.code), error.code);
  });

  it('fails after io-timeout, silent peer', LIMIT, async () => {
    const { error } = await sendTo((talking) => talking.ended, { ioTimeout: 100 });
    assert.ok(['ERR_LINK_NEGOTIATION', 'ERR_LINK_TIMEOUT'].includes(error.code), error.code);
  });

  it('is left out with one-way on both sides', LIMIT, async () => {
    const { bytes } = await carry(place, 'unix', busyFile, { oneWay: true }, { oneWay: true });
    assert.ok(bytes.equals(busy));
  });
});

describe('send, failing receiver', () => {
  it('rejects with ERR_PEER_FAILED and the reason, failure after the whole stream', LIMIT, async () => {
    const { error, peer } = await sendTo(async (talking) => {
      talking.say(introduction());
      await talking.ended;
      const reason = new RamferryError('ERR_OUTPUT_FULL', 'no space left', { record: 2, hint: 'make some' });
      talking.say(resultMessage({ ok: false, bytes: 0, error: reason.toData() }));
      await talking.hangsUp();
    });
    assert.equal(error.code, 'ERR_PEER_FAILED');
    assert.match(error.message, /ERR_OUTPUT_FULL: no space left \(record 2\)/);
    assert.equal(error.hint, 'make some');
    assert.ok(peer.received.length > 64);
  });

  it('stops with ERR_PEER_FAILED and the reason, failure within the stream', LIMIT, async () => {
    const large = place.file('large', Buffer.concat(Array<Uint8Array>(64).fill(noise(MIB))));
    const { error, peer } = await sendTo(
      async (talking) => {
        talking.say(introduction());
        await talking.hears(2 * MIB);
        talking.socket.pause();
        const reason = new RamferryError('ERR_STREAM_CHECKSUM', 'broken on the way');
        talking.say(resultMessage({ ok: false, error: reason.toData() }));
        await setTimeout(200);
      },
      { input: large, codec: 'none' },
    );
    assert.equal(error.code, 'ERR_PEER_FAILED');
    assert.match(error.message, /ERR_STREAM_CHECKSUM/);
    assert.ok(peer.received.length < 64 * MIB);
  });

  it('never succeeds, receiver closes without a result', LIMIT, async () => {
    // The end of a short stream is on its way before the peer has heard 1000 bytes.
    const large = place.file('endless', Buffer.concat(Array<Uint8Array>(16).fill(noise(MIB))));
    for (const after of [0, 1000, Infinity]) {
      const { error } = await sendTo(
        async (talking) => {
          talking.say(introduction());
          await talking.hears(after);
        },
        after === Infinity ? {} : { input: large, codec: 'none' },
      );
      const wanted = after === Infinity ? 'ERR_OUTCOME_UNKNOWN' : 'ERR_LINK_CLOSED';
      assert.equal(error.code, wanted, `after ${after} bytes: ${error.message}`);
    }
  });

  it('rejects an unknown control message with ERR_LINK_NEGOTIATION', LIMIT, async () => {
    const { error } = await sendTo(async (talking) => {
      talking.say(introduction());
      talking.say(writeMessage(77, Buffer.alloc(3)));
      await talking.ended;
    });
    assert.equal(error.code, 'ERR_LINK_NEGOTIATION');
    assert.match(error.message, /type 77/);
  });

  it('never succeeds, control messages damaged', LIMIT, async () => {
    const { error } = await sendTo(async (talking) => {
      talking.say(introduction());
      await talking.ended;
      const result = resultMessage({ ok: true, bytes: busy.length });
      result[12]! ^= 1;
      talking.say(result);
      await talking.hangsUp();
    });
    assert.equal(error.code, 'ERR_OUTCOME_UNKNOWN');
    assert.match(error.message, /ERR_STREAM_CHECKSUM/);
  });

  it('rejects on both sides, output command fails at the very end', LIMIT, async () => {
    const { ready, result } = listening((onListening) =>
      receive({
        input: `unix-listen:${place.path('socket')}`,
        output: 'exec:cat > /dev/null; exit 3',
        onListening,
      }),
    );
    const sending = ready.then((output) => send({ input: busyFile, output, compressThreads: 1 }));
    await Promise.all([
      assert.rejects(result, isTyped('ERR_LINK_COMMAND')),
      assert.rejects(sending, (thrown) => {
        // The command had all bytes before it failed, so what it did with them is unknown.
        isTyped('ERR_OUTCOME_UNKNOWN')(thrown);
        assert.match((thrown as Error).message, /ERR_PEER_FAILED.*ERR_LINK_COMMAND/);
        return true;
      }),
    ]);
  });

  it(
    'refuses before sending what the receiver’s memory does not hold; a second sender may connect',
    LIMIT,
    async () => {
      const output = place.path('learnt');
      const warnings: string[] = [];
      const { ready, result } = listening((onListening) =>
        receive({
          input: `unix-listen:${place.path('socket')}`,
          output,
          memoryLimit: '160MiB',
          decompressThreads: 1,
          onListening,
          onWarning: (text) => warnings.push(text),
        }),
      );
      const to = await ready;
      const large = { compressThreads: 1, chunkSize: '16MiB', memoryLimit: '1GiB' };
      await assert.rejects(send({ input: busyFile, output: to, ...large }), isTyped('ERR_LINK_NEGOTIATION'));
      assert.ok(!place.names().some((name) => name.includes('learnt')));
      await Promise.all([send({ input: busyFile, output: to, compressThreads: 1 }), result]);
      assert.match(warnings.join(), /a local process: it closed without a byte/);
    },
  );
});

/** Receives from a peer that sends these bytes and closes. @returns the receiver's error and the peer */
async function receiveFrom(
  bytes: Uint8Array,
  options: Partial<Parameters<typeof receive>[0]> = {},
): Promise<{ error: RamferryError; peer: Peer }> {
  const socket = place.path('socket');
  const { ready, result } = listening((onListening) =>
    receive({ input: `unix-listen:${socket}`, output: place.path('restored'), onListening, ...options }),
  );
  const outcome = result.then(
    () => assert.fail('the receiver succeeded'),
    (thrown: unknown) => thrown,
  );
  await ready;
  const peer = await connectTo(socket);
  peer.socket.end(bytes);
  const error = await outcome;
  await peer.ended;
  peer.socket.destroy();
  assert.ok(error instanceof RamferryError, String(error));
  return { error, peer };
}

describe('receive, failing sender', () => {
  const nothingLeft = (): void => {
    assert.deepEqual(
      place.names().filter((name) => name.includes('restored')),
      [],
    );
  };

  it('leaves no output, and tells the sender the reason', LIMIT, async () => {
    const stream = await encodeStream(busy.subarray(0, 300_000));
    const damaged = Buffer.from(stream);
    damaged[stream.length - 200]! ^= 1;
    const cases: [bytes: Uint8Array, code: ErrorCode][] = [
      [stream.subarray(0, 50), 'ERR_STREAM_TRUNCATED'],
      [stream.subarray(0, stream.length >> 1), 'ERR_STREAM_TRUNCATED'],
      [stream.subarray(0, stream.length - 1), 'ERR_STREAM_TRUNCATED'],
      [damaged, 'ERR_STREAM_CHECKSUM'],
      [Buffer.concat([stream, Buffer.of(0)]), 'ERR_STREAM_TRAILING'],
    ];
    for (const [bytes, code] of cases) {
      const { error, peer } = await receiveFrom(bytes);
      assert.equal(error.code, code);
      assert.match(peer.received.toString('latin1'), new RegExp(`"ok":false.*${code}`));
      nothingLeft();
    }
  });

  it('keeps an existing output file', LIMIT, async () => {
    const stream = place.file('stream', (await encodeStream(busy.subarray(0, 300_000))).subarray(0, 20_000));
    const output = place.file('precious', Buffer.from('precious'));
    await assert.rejects(receive({ input: stream, output }), isTyped('ERR_OUTPUT_EXISTS'));
    await assert.rejects(receive({ input: stream, output, force: true }), isTyped('ERR_STREAM_TRUNCATED'));
    assert.equal(readFileSync(output, 'utf8'), 'precious');
  });

  it('fails after io-timeout, sender silent within a record', LIMIT, async () => {
    const socket = place.path('socket');
    const { ready, result } = listening((onListening) =>
      receive({
        input: `unix-listen:${socket}`,
        output: place.path('restored'),
        ioTimeout: 100,
        onListening,
      }),
    );
    result.catch(() => undefined);
    await ready;
    const peer = await connectTo(socket);
    peer.say((await encodeStream(busy.subarray(0, 300_000))).subarray(0, 1000));
    await assert.rejects(result, isTyped('ERR_LINK_TIMEOUT'));
    peer.socket.destroy();
    nothingLeft();
  });
});

describe('memory limit', () => {
  it('rejects with ERR_MEMORY_LIMIT before it opens anything, too small', LIMIT, async () => {
    const output = place.path('never');
    const options = {
      input: busyFile,
      output,
      compressThreads: 4,
      chunkSize: '16MiB',
      memoryLimit: '128MiB',
    };
    await assert.rejects(send(options), (thrown) => {
      isTyped('ERR_MEMORY_LIMIT')(thrown);
      assert.match(
        (thrown as Error).message,
        /4 threads with chunks of 16.0 MiB need .* the memory limit is 128.0 MiB/,
      );
      return true;
    });
    await assert.rejects(
      receive({ input: `unix-listen:${place.path('never')}`, output, memoryLimit: '64MiB' }),
      isTyped('ERR_MEMORY_LIMIT'),
    );
    assert.ok(!place.names().some((name) => name.includes('never')));
  });
});

describe('send, input file changes', () => {
  it('rejects with ERR_INPUT_CHANGED and leaves no stream, file shrinks', LIMIT, async () => {
    const input = place.file('shrinking', Buffer.concat(Array<Uint8Array>(64).fill(noise(MIB))));
    const begun = place.path('begun');
    // The link takes no byte yet. The slots bound the bytes in the pipeline; the remaining bytes are read later.
    const sending = send({
      input,
      output: `exec:touch ${begun}; sleep 0.4; cat > /dev/null`,
      codec: 'none',
      chunkSize: '1MiB',
      compressThreads: 1,
      compressWaitThread: true,
    });
    sending.catch(() => undefined);
    while (!existsSync(begun)) await setTimeout(5);
    truncateSync(input, MIB + 1000);
    await assert.rejects(sending, isTyped('ERR_INPUT_CHANGED'));
  });

  const changes: [what: string, change: (path: string) => void][] = [
    ['is overwritten in place', (path) => writeInto(path, 2 * MIB)],
    ['grows', (path) => appendFileSync(path, noise(4096))],
  ];
  const ways: [way: string, options: Partial<Parameters<typeof send>[0]>][] = [
    ['as extents', {}],
    ['as extents with direct I/O', { directIo: true }],
    ['as a stream', { format: 'opaque' }],
    ['into frames', { method: 'stream' }],
  ];
  for (const [what, change] of changes) {
    for (const [way, options] of ways) {
      it(`rejects with ERR_INPUT_CHANGED and publishes nothing, file ${what}, ${way}`, LIMIT, async () => {
        const input = place.file('changing', noise(4 * MIB));
        const output = place.path('published');
        const [received, sent] = await carryChanging(input, output, () => change(input), options);
        assert.equal(sent, 'ERR_INPUT_CHANGED');
        assert.notEqual(received, 'completed');
        assert.ok(!existsSync(output));
      });
    }
  }

  it('rejects with ERR_INPUT_CHANGED, inherited file grows', LIMIT, async () => {
    const input = place.file('inherited', noise(4 * MIB));
    const fd = openSync(input, 'r');
    const grow = (): void => appendFileSync(input, noise(1));
    const [, sent] = await carryChanging(`fd:${fd}`, place.path('published'), grow, {});
    closeSync(fd);
    assert.equal(sent, 'ERR_INPUT_CHANGED');
  });

  it('sends a file whose name, owner or mode changes meanwhile', LIMIT, async () => {
    const input = place.file('moving', noise(4 * MIB));
    const output = place.path('moved');
    const move = (): void => {
      renameSync(input, `${input}-2`);
      chmodSync(`${input}-2`, 0o400);
    };
    assert.deepEqual(await carryChanging(input, output, move, {}), ['completed', 'completed']);
    assert.ok(readFileSync(output).equals(readFileSync(`${input}-2`)));
  });
});

function writeInto(path: string, position: number): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from('another'), 0, 7, position);
  closeSync(fd);
}

/** Sends over a slow link, and changes the input during the transfer. @returns both outcomes */
async function carryChanging(
  input: string,
  output: string,
  change: () => void,
  options: Partial<Parameters<typeof send>[0]>,
): Promise<[received: string, sent: string]> {
  const outcome = (transfer: ReturnType<typeof send>): Promise<string> =>
    transfer.then(
      ({ status }) => status,
      (thrown: unknown) => (thrown as RamferryError).code,
    );
  const link = `unix-listen:${place.path('link')}`;
  const { ready, result } = listening((onListening) => receive({ input: link, output, onListening }));
  const received = outcome(result);
  const address = (await ready).replace('-listen', '');
  let changed = false;
  const sent = send({
    input,
    output: address,
    codec: 'lz4',
    maxBandwidth: '6MB',
    onProgress: () => {
      if (!changed) change();
      changed = true;
    },
    ...options,
  });
  return Promise.all([received, outcome(sent)]);
}

describe('abort', () => {
  const cases: [name: string, reason: unknown, code: ErrorCode][] = [
    ['without a reason', undefined, 'ERR_INTERRUPTED'],
    ['with a RamferryError', new RamferryError('ERR_TERMINATED', 'SIGTERM'), 'ERR_TERMINATED'],
    ['with any other reason', 'just so', 'ERR_INTERRUPTED'],
  ];
  for (const [name, reason, code] of cases) {
    it(`ends a sender within the stream and leaves no output, ${name}`, LIMIT, async () => {
      const controller = new AbortController();
      const output = place.path('aborted');
      const sending = send({
        input: `exec:cat ${busyFile}; sleep 60`,
        output,
        signal: controller.signal,
        compressThreads: 2,
      });
      sending.catch(() => undefined);
      await setTimeout(150);
      controller.abort(reason);
      await assert.rejects(sending, isTyped(code));
      assert.ok(!place.names().some((each) => each.includes('aborted')));
    });

    it(`ends both sides of a connection, ${name}`, LIMIT, async () => {
      const controller = new AbortController();
      const output = place.path('aborted');
      let flows!: () => void;
      const flowing = new Promise<void>((resolve) => (flows = resolve));
      const { ready, result } = listening((onListening) =>
        receive({
          input: `unix-listen:${place.path('socket')}`,
          output,
          signal: controller.signal,
          onListening,
          onProgress: ({ guestBytes }) => {
            if (guestBytes > 0) flows();
          },
        }),
      );
      const sending = ready.then((to) =>
        send({ input: `exec:cat ${busyFile}; sleep 60`, output: to, format: 'raw', compressThreads: 1 }),
      );
      sending.catch(() => undefined);
      result.catch(() => undefined);
      await flowing;
      controller.abort(reason);
      await assert.rejects(result, isTyped(code));
      await assert.rejects(sending, isTyped('ERR_PEER_FAILED', 'ERR_LINK_CLOSED'));
      assert.ok(!place.names().some((each) => each.includes('aborted')));
    });
  }

  it('ends at once, before anything has begun', LIMIT, async () => {
    const signal = AbortSignal.abort();
    const output = place.path('aborted');
    await assert.rejects(send({ input: busyFile, output, signal }), isTyped('ERR_INTERRUPTED'));
    await assert.rejects(receive({ input: busyFile, output, signal }), isTyped('ERR_INTERRUPTED'));
    assert.ok(!place.names().some((each) => each.includes('aborted')));
  });

  it('leaves the whole output or none, at any moment', LIMIT, async () => {
    const stream = place.file('stream', await encodeStream(busy));
    for (let wait = 0; wait < 200; wait += 25) {
      const controller = new AbortController();
      const output = place.path('moment');
      const receiving = receive({ input: stream, output, signal: controller.signal }).then(
        () => 'done',
        (thrown: unknown) => {
          isTyped('ERR_INTERRUPTED')(thrown);
          return 'aborted';
        },
      );
      await setTimeout(wait);
      controller.abort();
      const outcome = await receiving;
      const left = place.names().filter((each) => each.includes('moment'));
      if (outcome === 'done') {
        assert.ok(readFileSync(output).equals(busy));
        truncateSync(output);
      } else {
        assert.deepEqual(
          left.filter((each) => output.endsWith(each) || each.startsWith('.')),
          [],
        );
      }
    }
  });
});

describe('late hello', () => {
  it('is waited for, and no byte is sent before', LIMIT, async () => {
    const large = place.file('late', Buffer.concat(Array<Uint8Array>(16).fill(noise(MIB))));
    const { error, peer } = await sendTo(
      async (talking) => {
        await setTimeout(100);
        assert.equal(talking.received.length, 0);
        talking.say(introduction().subarray(0, 20));
        await setTimeout(20);
        assert.equal(talking.received.length, 0);
        talking.say(introduction().subarray(20));
        await talking.hears(64);
        talking.say(resultMessage({ ok: false }));
        await setTimeout(200);
      },
      { input: large, codec: 'none' },
    );
    assert.equal(error.code, 'ERR_PEER_FAILED');
    assert.ok(peer.received.length >= 64);
  });
});
