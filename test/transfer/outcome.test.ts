// The outcome of a sender by its receiver's report: completed, failed or unknown. A fake receiver is the peer on a unix socket. The
// hypervisor is a stream that the test writes and leaves open.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { existsSync, readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { CHUNK_OVERHEAD, readChunkHeader } from '../../src/chunk/record.js';
import { resultMessage } from '../../src/control/negotiation.js';
import { STREAM_HEADER_BYTES } from '../../src/container/native.js';
import { type ErrorCode, RamferryError } from '../../src/errors.js';
import { receive } from '../../src/transfer/receive.js';
import { send } from '../../src/transfer/send.js';
import { isTyped } from '../chunk/typed.js';
import { Command } from '../cli/command.js';
import * as qemu from '../grammar/support/qemu-streams.js';
import { range, XenStream } from '../grammar/support/xen-streams.js';
import { image, listening, workplace } from './support/carry.js';
import { encodeStream } from './support/memory-link.js';
import { connectTo, introduction, type Peer, peerAt } from './support/peers.js';

const LIMIT = { timeout: 60_000 };
const place = workplace();
const busy = image(72 * 4096);
const busyFile = place.file('busy.ram', busy);
const FULL = new RamferryError('ERR_OUTPUT_FULL', 'no space left').toData();

type Input = Parameters<typeof send>[0]['input'];

/** Sends to a receiver that sends its hello and then runs `talk`. */
async function sendTo(
  talk: (peer: Peer) => Promise<void>,
  input: Input = busyFile,
  signal?: AbortSignal,
): Promise<unknown> {
  const { done, address } = await peerAt(place.path('peer'), async (peer) => {
    peer.say(introduction({ xenguest: [1, 2] }));
    await talk(peer);
  });
  const options = { compressThreads: 1, chunkSize: '64KiB', flushAfter: 10, signal };
  const outcome = await send({ input, output: address, ...options }).then(
    ({ status }) => status,
    (thrown: unknown) => thrown,
  );
  await done;
  return outcome;
}

function isError(outcome: unknown, code: ErrorCode, text = /./): void {
  isTyped(code)(outcome);
  assert.match((outcome as Error).message, text);
}

/** Decoded bytes of the complete chunk records. */
function decoded(stream: Buffer): number {
  let sum = 0;
  for (let at = STREAM_HEADER_BYTES; at + CHUNK_OVERHEAD <= stream.length;) {
    if (stream.readUInt32LE(at) !== 1) break;
    const header = readChunkHeader(stream, at, 2 ** 26, true);
    at += header.bodyLength + CHUNK_OVERHEAD;
    if (at <= stream.length) sum += header.decodedLength;
  }
  return sum;
}

/** A stream that gives these bytes and stays open. */
function open(bytes: Uint8Array): PassThrough {
  const stream = new PassThrough();
  stream.write(bytes);
  return stream;
}

describe('send, receiver reports success', () => {
  const says = (result: (sent: Buffer) => object) => async (peer: Peer) => {
    await peer.ended;
    peer.say(resultMessage({ ok: true, ...result(peer.received) }));
    await peer.hangsUp();
  };
  const digest = (sent: Buffer): string =>
    sent
      .readBigUInt64LE(sent.length - 24)
      .toString(16)
      .padStart(16, '0');

  it('completes with the right sums, and with bytes only (version 0.1)', LIMIT, async () => {
    const chunks = Math.ceil(busy.length / 65_536);
    const whole = says((sent) => ({ bytes: busy.length, chunks, digest: digest(sent) }));
    assert.equal(await sendTo(whole), 'completed');
    assert.equal(await sendTo(says(() => ({ bytes: busy.length }))), 'completed');
  });

  const lies: [name: string, result: (sent: Buffer) => object, text: RegExp][] = [
    ['no bytes', () => ({}), /does not say how many bytes/],
    ['0 bytes', () => ({ bytes: 0 }), /delivered 0 bytes/],
    ['one byte less', () => ({ bytes: busy.length - 1 }), /294911 bytes/],
    ['another number of chunks', () => ({ bytes: busy.length, chunks: 1 }), /1 chunks/],
    ['another digest', () => ({ bytes: busy.length, digest: '0123456789abcdef' }), /digest 0123456789abcdef/],
  ];
  for (const [name, result, text] of lies) {
    it(`rejects with ERR_OUTCOME_UNKNOWN, ${name}`, LIMIT, async () => {
      isError(await sendTo(says(result)), 'ERR_OUTCOME_UNKNOWN', text);
    });
  }

  it('rejects a success before the whole stream was sent', LIMIT, async () => {
    const early = async (peer: Peer): Promise<void> => {
      peer.say(resultMessage({ ok: true, bytes: 0 }));
      await peer.ended;
    };
    isError(await sendTo(early, new PassThrough()), 'ERR_LINK_NEGOTIATION', /before the whole stream/);
  });

  it('ends the command with an error and its status, early success and closed link', LIMIT, async () => {
    const { done, address } = await peerAt(place.path('peer'), async (peer) => {
      peer.say(introduction());
      peer.say(resultMessage({ ok: true, bytes: 4096 }));
      await setTimeout(100);
    });
    const command = new Command(['send', '--json', `exec:head -c 64M /dev/urandom; sleep 60`, address]);
    const { status, stderr } = await command.within('the end', command.ended);
    await done;
    assert.equal(status, 4, stderr);
    assert.match(stderr, /"code":"ERR_LINK_NEGOTIATION"/);
  });
});

describe('send, receiver closes without a result', () => {
  const goesAfter = (bytes: number) => async (peer: Peer) => {
    while (decoded(peer.received) < bytes) await setTimeout(5);
  };

  it('rejects with ERR_OUTCOME_UNKNOWN, END was sent', LIMIT, async () => {
    isError(await sendTo((peer) => peer.ended), 'ERR_OUTCOME_UNKNOWN', /ERR_LINK_CLOSED/);
  });

  const whole = qemu.precopy(3, 3, 40).bytes;
  const ramEnd = whole.lastIndexOf(Buffer.from([3, 0, 0, 0, 2]));
  const states = qemu.postcopy(2).bytes;
  const packaged = states.indexOf(Buffer.from([8, 0, 7]));
  const xen = new XenStream().image().pageData(range(0, 40)).end().bytes();
  const cases: [name: string, bytes: Buffer, code: ErrorCode][] = [
    ['before the END section of RAM', whole.subarray(0, ramEnd), 'ERR_LINK_CLOSED'],
    ['within the END section of RAM', whole.subarray(0, ramEnd + 20), 'ERR_OUTCOME_UNKNOWN'],
    ["after QEMU's last byte", whole, 'ERR_OUTCOME_UNKNOWN'],
    ['within the package of postcopy', states.subarray(0, packaged + 12), 'ERR_OUTCOME_UNKNOWN'],
    ['before the package of postcopy', states.subarray(0, packaged), 'ERR_LINK_CLOSED'],
    ['in opaque bytes that were sent as far as they came', Buffer.alloc(9000, 'x'), 'ERR_OUTCOME_UNKNOWN'],
  ];
  for (const [name, bytes, code] of cases) {
    it(`rejects with ${code}, ${name}, hypervisor keeps its end open`, LIMIT, async () => {
      isError(await sendTo(goesAfter(bytes.length), open(bytes)), code);
    });
  }

  it('fails before the END of a Xen stream, and is unknown after it', LIMIT, async () => {
    // All records except page data are sent untouched, so the END record shows that the whole stream has arrived.
    const some = async (peer: Peer): Promise<void> => peer.hears(64);
    isError(await sendTo(some, open(xen.subarray(0, xen.length - 8))), 'ERR_LINK_CLOSED');
    const all = async (peer: Peer): Promise<void> => {
      while (!peer.received.subarray(-8).equals(Buffer.alloc(8))) await setTimeout(5);
    };
    isError(await sendTo(all, open(xen)), 'ERR_OUTCOME_UNKNOWN');
  });

  it('rejects with ERR_OUTCOME_UNKNOWN, user aborts after END', LIMIT, async () => {
    const controller = new AbortController();
    const reason = new RamferryError('ERR_INTERRUPTED', 'interrupted');
    const aborting = async (peer: Peer): Promise<void> => {
      await peer.ended;
      controller.abort(reason);
      await setTimeout(50);
    };
    isError(await sendTo(aborting, busyFile, controller.signal), 'ERR_OUTCOME_UNKNOWN', /ERR_INTERRUPTED/);
    const early = new AbortController();
    const before = async (peer: Peer): Promise<void> => {
      await goesAfter(ramEnd)(peer);
      early.abort(reason);
      await setTimeout(50);
    };
    isError(await sendTo(before, open(whole.subarray(0, ramEnd)), early.signal), 'ERR_INTERRUPTED');
  });
});

describe('send, receiver reports a failure', () => {
  const fails = (bytes?: number) => async (peer: Peer) => {
    await peer.ended;
    peer.say(resultMessage({ ok: false, error: FULL, ...(bytes === undefined ? {} : { bytes }) }));
    await peer.hangsUp();
  };

  it('fails when no reader behind the receiver can have the final part', LIMIT, async () => {
    for (const bytes of [0, busy.length - 1]) isError(await sendTo(fails(bytes)), 'ERR_PEER_FAILED', /FULL/);
  });

  it('is unknown when a reader may have the final part, or version 0.1 does not say', LIMIT, async () => {
    for (const bytes of [busy.length, undefined]) {
      isError(await sendTo(fails(bytes)), 'ERR_OUTCOME_UNKNOWN', /ERR_PEER_FAILED.*FULL/);
    }
  });

  it(
    'receive: reports 0 bytes for an unpublished file, and all bytes for a command that failed late',
    LIMIT,
    async () => {
      const stream = await encodeStream(busy);
      const damaged = Buffer.from(stream);
      damaged[damaged.length - 20]! ^= 1;
      for (const [output, bytes] of [
        [place.path('restored'), 0],
        ['exec:cat > /dev/null', busy.length],
      ] as const) {
        const socket = place.path('socket');
        const { ready, result } = listening((onListening) =>
          receive({ input: `unix-listen:${socket}`, output, onListening }),
        );
        const failed = assert.rejects(result, isTyped('ERR_STREAM_CHECKSUM', 'ERR_STREAM_TOTALS'));
        await ready;
        const peer = await connectTo(socket);
        peer.socket.end(damaged);
        await failed;
        await peer.ended;
        assert.match(peer.received.toString('latin1'), new RegExp(`"ok":false,"bytes":${bytes},`));
        peer.socket.destroy();
      }
    },
  );
});

describe('send, one-way', () => {
  it('is unknown for a command that fails after the last byte, and not for a file', LIMIT, async () => {
    const outcome = (output: string): Promise<unknown> =>
      send({ input: busyFile, output, compressThreads: 1 }).catch((thrown: unknown) => thrown);
    isError(await outcome('exec:cat > /dev/null; exit 3'), 'ERR_OUTCOME_UNKNOWN', /ERR_LINK_COMMAND/);
    isError(await outcome('/dev/full'), 'ERR_OUTPUT_FULL');
    isError(await outcome(place.path('none/such')), 'ERR_OUTPUT_OPEN');
  });
});

describe('receive, sender gone after delivery', () => {
  it('completes, and warns that the sender reports another outcome', LIMIT, async () => {
    const [socket, taken, output] = [place.path('socket'), place.path('taken'), place.path('restored')];
    const warnings: string[] = [];
    const { ready, result } = listening((onListening) =>
      receive({
        input: `unix-listen:${socket}`,
        output: `exec:cat > ${output}; touch ${taken}; sleep 1`,
        onListening,
        onWarning: (text) => warnings.push(text),
      }),
    );
    await ready;
    const peer = await connectTo(socket);
    peer.socket.end(await encodeStream(busy));
    while (!existsSync(taken)) await setTimeout(5);
    peer.socket.destroy();
    assert.equal((await result).status, 'completed');
    assert.ok(readFileSync(output).equals(busy));
    assert.match(warnings.join(), /the sender reports the outcome as unknown/);
  });
});
