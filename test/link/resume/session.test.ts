// A session against docs/FORMAT.md: tries every cell of the table of conversation version 2, in memory. Opening is version 1's (conversation.test.ts).

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { RamferryError } from '../../../src/errors.js';
import type { Channel } from '../../../src/io/bytes.js';
import { ExactReader } from '../../../src/io/exact-reader.js';
import { newId } from '../../../src/link/resume/joining.js';
import { packet, PACKET } from '../../../src/link/resume/packet.js';
import { PacketConnection } from '../../../src/link/resume/packet-connection.js';
import type { Reconnection } from '../../../src/link/resume/reconnection.js';
import { Session } from '../../../src/link/resume/session.js';
import { Signal } from '../../../src/os/signal.js';
import { stateTable } from './state-table.js';

/** A connection in memory. */
class Line implements Channel {
  readonly duplex = true;
  readonly #pieces: Buffer[] = [];
  readonly #changed = new Signal();
  #failure: RamferryError | undefined;
  #ended = false;
  aborted = false;

  readonly source = {
    label: 'the line',
    read: async (target: Uint8Array): Promise<number> => {
      for (;;) {
        if (this.aborted) throw new RamferryError('ERR_LINK_CLOSED', 'aborted');
        const first = this.#pieces.shift();
        if (first !== undefined) {
          const part = first.subarray(0, target.length);
          target.set(part);
          if (part.length < first.length) this.#pieces.unshift(first.subarray(part.length));
          return part.length;
        }
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#ended) return 0;
        await this.#changed.wait();
      }
    },
    patience: (): void => undefined,
    close: (): Promise<void> => Promise.resolve(),
  };
  readonly sink = {
    label: 'the line',
    write: (): Promise<void> => Promise.resolve(),
    queued: (): number => 0,
    finish: (): Promise<void> => Promise.resolve(),
    abort: (): Promise<void> => {
      this.aborted = true;
      this.#changed.notify();
      return Promise.resolve();
    },
  };

  come(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#changed.notify();
  }

  end(): void {
    this.#ended = true;
    this.#changed.notify();
  }

  fail(failure: RamferryError): void {
    this.#failure = failure;
    this.#changed.notify();
  }
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

interface Setting {
  readonly line: Line;
  readonly session: Session;
  readonly broken: () => boolean;
  readonly open: () => void;
}

async function inState(state: string): Promise<Setting> {
  let broken = false;
  const reconnection: Reconnection = {
    attempt: () => {
      broken = true;
      return new Promise((_, reject) => setTimeout(() => reject(new Error('down')), 5));
    },
    close: () => undefined,
  };
  const session = new Session({
    label: 'the line',
    id: newId(),
    reconnection,
    limit: () => 200,
    peerLimit: 5_000,
    ioTimeout: 1_000,
    keep: 1_000_000,
    readAhead: 1_000_000,
    hasOutcome: false,
  });
  const line = new Line();
  let open: () => void = () => undefined;
  const before = new Promise<void>((resolve) => (open = resolve));
  const reader = new ExactReader(line.source);
  session.start(new PacketConnection(line, reader), state === 'opening' ? before : undefined);
  if (state !== 'opening') {
    line.come(packet(PACKET.data, 0, Buffer.from('abc')));
    assert.equal(await session.source.read(Buffer.alloc(3)), 3);
    await session.sink.write(Buffer.from('0123'));
  }
  if (state === 'complete') {
    await session.sink.finish();
    line.come(packet(PACKET.end, 3));
    line.come(packet(PACKET.acknowledge, 5));
    assert.equal(await session.source.read(Buffer.alloc(1)), 0);
    await soon();
  }
  return { line, session, broken: () => broken, open };
}

function damaged(bytes: Buffer): Buffer {
  bytes[bytes.length - 1]! ^= 1;
  return bytes;
}

function tooLong(): Buffer {
  const bytes = packet(PACKET.data, 3, Buffer.alloc(4));
  bytes.writeUInt32LE(2 ** 30, 4);
  return bytes;
}

const COMES: Readonly<Record<string, (line: Line) => void>> = {
  'a message of version 1': (line) => line.come(packet(3, 0)),
  opened: (line) => line.come(packet(PACKET.opened, 0)),
  data: (line) => line.come(packet(PACKET.data, 3, Buffer.from('def'))),
  'data at another position': (line) => line.come(packet(PACKET.data, 2, Buffer.from('def'))),
  end: (line) => line.come(packet(PACKET.end, 3)),
  acknowledge: (line) => line.come(packet(PACKET.acknowledge, 4)),
  'acknowledge of unsent bytes': (line) => line.come(packet(PACKET.acknowledge, 99)),
  abort: (line) => line.come(packet(PACKET.abort, 0)),
  join: (line) => line.come(packet(PACKET.join, 0, Buffer.alloc(24))),
  'an unknown type': (line) => line.come(packet(99, 0)),
  'a wrong checksum': (line) => line.come(damaged(packet(PACKET.data, 3, Buffer.from('def')))),
  'too long a packet': (line) => line.come(tooLong()),
  'a piece of a packet, the end': (line) => {
    line.come(packet(PACKET.data, 3, Buffer.from('def')).subarray(0, 9));
    line.end();
  },
  "the connection's end": (line) => line.end(),
  silence: (line) => line.fail(new RamferryError('ERR_LINK_TIMEOUT', 'silent')),
};

describe('Session: what comes in each state', () => {
  const { states, rows } = stateTable('### Conversation version 2');
  for (const [name, ...cells] of rows) {
    for (const [index, becomes] of cells.entries()) {
      const state = states[index]!;
      // Before `opened` the bytes are messages of version 1, whose reader is above the session.
      if (state === 'opening') continue;
      it(`${name}, ${state}: ${becomes}`, async () => {
        const come = COMES[name!];
        assert.ok(come !== undefined, `the test does not know "${name}"`);
        const { line, session, broken } = await inState(state);
        come(line);
        await soon();
        const failure = await session.sink.write(Buffer.from('more')).then(
          () => undefined,
          (thrown: unknown) => (thrown as RamferryError).code,
        );
        if (becomes === 'accepted') assert.equal(failure, undefined);
        else if (becomes === 'closed') assert.ok(failure !== undefined && !broken());
        // No connection comes, so mending fails when the time is over.
        else assert.equal(failure, becomes === 'mend' ? 'ERR_LINK_TIMEOUT' : becomes);
        assert.equal(broken(), becomes === 'mend');
        await session.sink.abort();
      });
    }
  }
});
