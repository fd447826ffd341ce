// A link of several connections. Tries every cell of its table in docs/FORMAT.md, in memory. Then, on whole sessions: any speeds, any
// interleaving and any loss of connections give the same bytes, within the window and the memory.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { RamferryError } from '../../../src/errors.js';
import type { Channel } from '../../../src/io/bytes.js';
import { ExactReader } from '../../../src/io/exact-reader.js';
import { type Joined, newId } from '../../../src/link/resume/joining.js';
import { packet, PACKET } from '../../../src/link/resume/packet.js';
import { PacketConnection } from '../../../src/link/resume/packet-connection.js';
import type { Reconnection } from '../../../src/link/resume/reconnection.js';
import { Session } from '../../../src/link/resume/session.js';
import { SENDER_WINDOW, type Several, windowCost } from '../../../src/link/resume/several.js';
import { Signal } from '../../../src/os/signal.js';
import { stateTable } from './state-table.js';

const soon = (milliseconds = 10): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** One direction of a connection in memory, with room for so many bytes, which pass after a delay. */
class Pipe {
  readonly changed = new Signal();
  #pieces: Buffer[] = [];
  #bytes = 0;
  #ended = false;
  failure: RamferryError | undefined;

  constructor(
    readonly room = Infinity,
    readonly delay = 0,
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.failure !== undefined) throw this.failure;
      const room = this.room - this.#bytes;
      if (room <= 0) {
        await this.changed.wait();
        continue;
      }
      const part = Buffer.from(bytes.subarray(at, at + room));
      at += part.length;
      this.#bytes += part.length;
      if (this.delay > 0) await soon(this.delay);
      this.#pieces.push(part);
      this.changed.notify();
    }
  }

  async read(target: Uint8Array): Promise<number> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      const first = this.#pieces.shift();
      if (first !== undefined) {
        const part = first.subarray(0, target.length);
        target.set(part);
        if (part.length < first.length) this.#pieces.unshift(first.subarray(part.length));
        this.#bytes -= part.length;
        this.changed.notify();
        return part.length;
      }
      if (this.#ended) return 0;
      await this.changed.wait();
    }
  }

  end(): void {
    this.#ended = true;
    this.changed.notify();
  }

  fail(): void {
    this.failure ??= new RamferryError('ERR_LINK_CLOSED', 'reset');
    this.changed.notify();
  }
}

/** One end of a connection in memory. */
function channelOf(incoming: Pipe, outgoing: Pipe): Channel {
  return {
    duplex: true,
    source: {
      label: 'the line',
      read: (target) => incoming.read(target),
      patience: () => undefined,
      close: () => Promise.resolve(),
    },
    sink: {
      label: 'the line',
      write: (bytes) => outgoing.write(bytes),
      queued: () => 0,
      finish: () => Promise.resolve(outgoing.end()),
      abort: () => {
        incoming.fail();
        outgoing.fail();
        return Promise.resolve();
      },
    },
  };
}

const WINDOW = 1_048_576;
const KEEP = 2_000_000;

interface SideOptions {
  readonly several: Several;
  readonly reconnection: Reconnection;
  readonly limit?: number;
  readonly hasOutcome: boolean;
  readonly onWarning?: (text: string) => void;
}

function side({ several, reconnection, limit = 200, hasOutcome, onWarning }: SideOptions): Session {
  return new Session({
    ...{ label: 'the line', id: newId(), reconnection, peerLimit: limit, ioTimeout: 1_000 },
    ...{ keep: KEEP, readAhead: 0, several, hasOutcome, onWarning },
    limit: () => limit,
  });
}

interface Bench {
  readonly lines: Pipe[];
  readonly session: Session;
  readonly warnings: string[];
  readonly joins: (number: number) => Pipe;
}

/** A reader with three connections that has read three bytes and has sent four. */
async function inState(state: string): Promise<Bench> {
  const warnings: string[] = [];
  let onJoined: (joined: Joined) => void = () => undefined;
  const reconnection: Reconnection = {
    accept: (_, joined) => (onJoined = joined),
    close: () => undefined,
  };
  const several = { connections: 3, spreads: true, window: WINDOW, peerWindow: WINDOW };
  const onWarning = (text: string): void => void warnings.push(text);
  const session = side({ several, reconnection, hasOutcome: false, onWarning });
  const line = (): Pipe => new Pipe();
  const lines = [line(), line(), line()];
  const first = channelOf(lines[0]!, new Pipe());
  session.start(new PacketConnection(first, new ExactReader(first.source!)));
  const joins = (number: number, incoming = line()): Pipe => {
    const channel = channelOf(incoming, new Pipe());
    const joined = { channel, reader: new ExactReader(channel.source!), number, received: 0 };
    onJoined({ ...joined, answer: () => packet(PACKET.joined, 0) });
    return incoming;
  };
  joins(1, lines[1]);
  joins(2, lines[2]);
  await session.joinAll(1_000);
  await come(lines[0]!, packet(PACKET.data, 0, Buffer.from('abc')));
  assert.equal(await session.source.read(Buffer.alloc(3)), 3);
  await session.sink.write(Buffer.from('0123'));
  if (state === 'complete') {
    await session.sink.finish();
    await come(lines[1]!, packet(PACKET.end, 3));
    await come(lines[2]!, packet(PACKET.acknowledge, 5));
    assert.equal(await session.source.read(Buffer.alloc(1)), 0);
    await soon();
  }
  return { lines, session, warnings, joins };
}

const come = (line: Pipe, bytes: Buffer): Promise<void> => line.write(bytes);
const data = (position: number, text: string): Buffer => packet(PACKET.data, position, Buffer.from(text));

function damaged(bytes: Buffer): Buffer {
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}

const COMES: Readonly<Record<string, (bench: Bench) => unknown>> = {
  'data, the next': ({ lines }) => come(lines[1]!, data(3, 'def')),
  'data ahead of its turn': ({ lines }) => come(lines[1]!, data(6, 'ghi')),
  'data ahead of its turn, twice': async ({ lines }) => {
    await come(lines[1]!, data(6, 'ghi'));
    await come(lines[2]!, data(6, 'ghi'));
  },
  'data that was read already': ({ lines }) => come(lines[1]!, data(0, 'abc')),
  'data that was read in part': ({ lines }) => come(lines[1]!, data(1, 'bcd')),
  'data at the place of another one': async ({ lines }) => {
    await come(lines[1]!, data(6, 'ghi'));
    await come(lines[2]!, data(6, 'ghij'));
  },
  'data beyond the window': async ({ lines }) => {
    for (let n = 1; n <= WINDOW / 65_536 + 1; n += 1)
      await come(lines[1]!, packet(PACKET.data, 3 + n * 65_536, Buffer.alloc(65_536)));
  },
  'end ahead of its turn': ({ lines }) => come(lines[1]!, packet(PACKET.end, 6)),
  'end, twice': async ({ lines }) => {
    await come(lines[1]!, packet(PACKET.end, 3));
    await come(lines[2]!, packet(PACKET.end, 3));
  },
  acknowledge: ({ lines }) => come(lines[2]!, packet(PACKET.acknowledge, 4)),
  'acknowledge of unsent bytes': ({ lines }) => come(lines[2]!, packet(PACKET.acknowledge, 99)),
  'a join with a number in use': ({ joins }) => joins(1),
  'a join with too high a number': ({ joins }) => joins(3),
  'a wrong checksum': ({ lines }) => come(lines[0]!, damaged(data(3, 'def'))),
  "the connection's end": ({ lines }) => lines[0]!.end(),
  'the end of the last connection': ({ lines }) => lines.forEach((line) => line.end()),
};

async function isClosed(joined: Pipe): Promise<boolean> {
  await soon();
  return joined.failure !== undefined;
}

async function judge(bench: Bench, becomes: string, joined: Pipe | undefined): Promise<void> {
  const { session, warnings } = bench;
  const failure = await session.sink.write(Buffer.from('more')).then(
    () => undefined,
    (thrown: unknown) => (thrown as RamferryError).code,
  );
  if (becomes === 'goes on') {
    assert.equal(failure, undefined);
    assert.match(warnings.join('\n'), /connection 1 of 3 broke[^]*goes on over 2 of them/);
  } else if (becomes === 'mend') {
    assert.equal(failure, 'ERR_LINK_TIMEOUT');
    assert.match(warnings.join('\n'), /the link broke[^]*waiting up to/);
  } else if (joined !== undefined) {
    assert.equal(await isClosed(joined), becomes === 'closed');
    assert.equal(failure, undefined);
  } else if (becomes === 'closed') assert.ok(failure !== undefined && warnings.length === 0);
  else assert.equal(failure, becomes === 'accepted' ? undefined : becomes);
}

describe('Session of several connections: what comes in each state', () => {
  const { states, rows } = stateTable('### Several connections');
  for (const [name, ...cells] of rows) {
    for (const [index, becomes] of cells.entries()) {
      it(`${name}, ${states[index]!}: ${becomes}`, async () => {
        const bench = await inState(states[index]!);
        const comes = COMES[name!];
        assert.ok(comes !== undefined, `the test does not know "${name}"`);
        const came = comes(bench);
        const joined = came instanceof Pipe ? came : undefined;
        if (came instanceof Promise) await came.catch(() => undefined);
        await soon();
        await judge(bench, becomes, joined);
        await bench.session.sink.abort();
      });
    }
  }
});

/** Two sessions, and all connections that they have made. */
interface Pair {
  readonly sending: Session;
  readonly receiving: Session;
  readonly pipes: Map<number, [Pipe, Pipe]>;
}

/** @param shape room in bytes and delay in milliseconds of each connection */
function pair(shapes: readonly (readonly [number, number])[], limit: number): Pair {
  const connections = shapes.length;
  const pipes: Pair['pipes'] = new Map();
  let accept: (joined: Joined) => void = () => undefined;
  const dial = (number: number): [Channel, Channel] => {
    const [room, delay] = shapes[number]!;
    const both: [Pipe, Pipe] = [new Pipe(room, delay), new Pipe()];
    pipes.set(number, both);
    return [channelOf(both[1], both[0]), channelOf(both[0], both[1])];
  };
  const caller: Reconnection = {
    attempt: async (_, received, { number }) => {
      await soon(5);
      const [near, far] = dial(number);
      const [mine, theirs] = [new ExactReader(near.source!), new ExactReader(far.source!)];
      const joined = { channel: far, reader: theirs, number, received };
      let position = 0;
      accept({
        ...joined,
        answer: (at) => {
          position = at;
          return Buffer.alloc(0);
        },
      });
      return { channel: near, reader: mine, number, received: position };
    },
    close: () => undefined,
  };
  const doorway: Reconnection = { accept: (_, onJoined) => (accept = onJoined), close: () => undefined };
  const at = (spreads: boolean): Several => ({
    ...{ connections, spreads },
    window: spreads ? SENDER_WINDOW : WINDOW,
    peerWindow: spreads ? WINDOW : SENDER_WINDOW,
  });
  const sending = side({ several: at(true), reconnection: caller, limit, hasOutcome: false });
  const receiving = side({ several: at(false), reconnection: doorway, limit, hasOutcome: true });
  const [near, far] = dial(0);
  sending.start(new PacketConnection(near, new ExactReader(near.source!)));
  receiving.start(new PacketConnection(far, new ExactReader(far.source!)));
  return { sending, receiving, pipes };
}

/** Bytes that say where they stand. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((i * 2654435761 + seed) >>> 0, i);
  return bytes;
}

async function writeAll({ sink }: Session, bytes: Buffer, piece: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) await sink.write(bytes.subarray(at, at + piece));
}

async function readAll({ source }: Session, piece: number, each?: () => Promise<void>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const target = Buffer.alloc(piece);
    const got = await source.read(target);
    if (got === 0) return Buffer.concat(pieces);
    pieces.push(target.subarray(0, got));
    await each?.();
  }
}

const FORWARD = 3_000_000;
const BACKWARD = 200_000;

const shapes = fc.array(fc.tuple(fc.integer({ min: 1_000, max: 200_000 }), fc.constantFrom(0, 0, 1, 3)), {
  minLength: 2,
  maxLength: 5,
});
/** Which connection breaks when so much has been read. */
const losses = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.integer({ min: 0, max: FORWARD })), { maxLength: 6 });

describe('Session of several connections', { timeout: 120_000 }, () => {
  it('carries both directions over any connections and losses, within its memory', async () => {
    const [forward, backward] = [pattern(FORWARD, 1), pattern(BACKWARD, 2)];
    const property = fc.asyncProperty(
      shapes,
      losses,
      fc.integer({ min: 500, max: 300_000 }),
      async (connections, breaks, piece) => {
        const { sending, receiving, pipes } = pair(connections, 5_000);
        await Promise.all([sending.joinAll(5_000), receiving.joinAll(5_000)]);
        let read = 0;
        let most = [0, 0];
        const left = [...breaks].sort(([, a], [, b]) => a - b);
        const each = async (): Promise<void> => {
          read += 40_000;
          most = [Math.max(most[0]!, sending.held), Math.max(most[1]!, receiving.waiting)];
          while (left.length > 0 && left[0]![1] < read) {
            const [number] = left.shift()!;
            pipes.get(number)?.forEach((pipe) => pipe.fail());
          }
          if (read % 400_000 === 0) await soon(1);
        };
        const there = readAll(receiving, 40_000, each);
        const back = readAll(sending, 10_000);
        await Promise.all([writeAll(sending, forward, piece), writeAll(receiving, backward, 7_000)]);
        await sending.sink.finish();
        assert.ok((await there).equals(forward), 'forward');
        const heard = receiving.sink.finish();
        assert.ok((await back).equals(backward), 'backward');
        await sending.source.close();
        await heard;
        await receiving.source.close();
        assert.ok(most[0]! <= KEEP, `kept ${most[0]}`);
        assert.ok(most[1]! <= WINDOW, `held ${most[1]}`);
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  it('writes what a lost connection carried over the others at once', async () => {
    const { sending, receiving, pipes } = pair(
      [
        [Infinity, 0],
        [1_000, 0],
        [Infinity, 0],
      ],
      60_000,
    );
    await Promise.all([sending.joinAll(5_000), receiving.joinAll(5_000)]);
    const there = readAll(receiving, 65_536);
    const bytes = pattern(900_000, 1);
    await writeAll(sending, bytes, 100_000);
    pipes.get(1)!.forEach((pipe) => pipe.fail());
    await sending.sink.finish();
    assert.ok((await there).equals(bytes));
    await sending.sink.abort();
  });

  it('stops a slow connection from stopping the others before the window is full', async () => {
    const { sending, receiving, pipes } = pair(
      [
        [Infinity, 0],
        [100, 0],
        [Infinity, 0],
      ],
      60_000,
    );
    await Promise.all([sending.joinAll(5_000), receiving.joinAll(5_000)]);
    // Nothing leaves this connection, and what it took is missing at the reader.
    pipes.get(1)![0].read = () => new Promise(() => undefined);
    const all = writeAll(sending, pattern(2 * WINDOW, 1), 65_536).catch(() => 'failed');
    await soon(300);
    assert.ok(sending.held > WINDOW - 3 * windowCost(65_536), `${sending.held}`);
    assert.ok(sending.held <= WINDOW + 100_000, `${sending.held}`);
    await sending.sink.abort();
    await receiving.sink.abort();
    assert.equal(await all, 'failed');
  });

  it('ends both sides when a connection is lost that no side would replace', async () => {
    const { sending, receiving, pipes } = pair(
      [
        [Infinity, 0],
        [Infinity, 0],
      ],
      0,
    );
    await Promise.all([sending.joinAll(5_000), receiving.joinAll(5_000)]);
    const there = readAll(receiving, 65_536);
    const back = readAll(sending, 65_536);
    pipes.get(1)!.forEach((pipe) => pipe.fail());
    const broken = { code: 'ERR_LINK_CLOSED', message: /connection \d of 2 to the line broke/ };
    await Promise.all([assert.rejects(there, broken), assert.rejects(back, broken)]);
  });
});

describe('Session of several connections that ends without a result', () => {
  /** Both sides notice the loss. The receiver reads until it fails. */
  async function losing(then: (sending: Session) => unknown): Promise<Session> {
    const { sending, receiving, pipes } = pair(
      [0, 1, 2].map(() => [100_000, 0] as const),
      0,
    );
    await Promise.all([sending.joinAll(1_000), receiving.joinAll(1_000)]);
    await sending.sink.write(Buffer.from('abc'));
    for (const pipe of pipes.get(1)!) pipe.fail();
    await soon();
    await assert.rejects(sending.sink.write(Buffer.from('more')), { code: 'ERR_LINK_CLOSED' });
    await then(sending);
    await assert.rejects(readAll(receiving, 100), /connection 2 of 3 to the line broke/);
    return receiving;
  }

  it('tells the other side on those that live when it gives up', async () => {
    const { isBroken, hasGivenUp, isFinal } = await losing((sending) => sending.sink.abort());
    assert.deepEqual({ isBroken, hasGivenUp, isFinal }, { isBroken: true, hasGivenUp: true, isFinal: true });
  });

  it('tells the other side when it closes behind its end and has not heard the result', async () => {
    const { sending, receiving } = pair(
      [0, 1].map(() => [100_000, 0] as const),
      5_000,
    );
    await Promise.all([sending.joinAll(1_000), receiving.joinAll(1_000)]);
    await sending.sink.finish();
    assert.equal(await receiving.source.read(Buffer.alloc(1)), 0);
    await sending.source.close();
    await assert.rejects(receiving.sink.write(Buffer.from('result')), /has given up/);
    assert.ok(receiving.hasGivenUp);
  });

  it('says nothing there when it leaves to ask for the outcome', async () => {
    const { isBroken, hasGivenUp } = await losing((sending) => sending.leave());
    assert.deepEqual({ isBroken, hasGivenUp }, { isBroken: true, hasGivenUp: false });
  });
});
