// Helpers of the guest's tests: a clock that only tests advance, memory as source and sink, and a duplex pair.

import assert from 'node:assert/strict';
import { RamferryError, type ErrorCode } from '../../src/errors.js';
import type { Clock } from '../../src/guest/clock.js';
import { createGuest, type SimulatedGuest } from '../../src/guest/guest.js';
import type { GuestFormat } from '../../src/options/amounts.js';
import { receiveGuest, type ReceiveGuestReport } from '../../src/guest/receive.js';
import { sendGuest, type SendGuestOptions, type SendGuestReport } from '../../src/guest/send.js';
import type { ByteSink, ByteSource, Channel } from '../../src/io/bytes.js';
import { MIB } from '../../src/units.js';

export const LIMIT = 64 * MIB;

export class FakeClock implements Clock {
  time = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.time + milliseconds, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  advance(milliseconds: number): void {
    this.time += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.time);
    this.#timers = this.#timers.filter((one) => !due.includes(one));
    for (const { callback } of due) callback();
  }

  get pending(): number {
    return this.#timers.length;
  }
}

/** Keeps all written bytes. With a clock and a rate, each write takes time as on a link. */
export class MemorySink implements ByteSink {
  readonly label = 'memory';
  readonly #chunks: Buffer[] = [];
  finished = 0;
  aborted = 0;
  waiting = 0;

  constructor(
    private readonly clock?: FakeClock,
    private readonly bytesPerMillisecond = Infinity,
  ) {}

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#chunks.push(Buffer.from(bytes));
    this.clock?.advance(bytes.length / this.bytesPerMillisecond);
    return Promise.resolve();
  }
  queued(): number {
    return this.waiting;
  }
  finish(): Promise<void> {
    this.finished++;
    return Promise.resolve();
  }
  abort(): Promise<void> {
    this.aborted++;
    return Promise.resolve();
  }
}

/** Returns bytes in pieces of at most `step`. */
export class MemorySource implements ByteSource {
  readonly label = 'memory';
  closed = 0;
  #at = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly step = Infinity,
  ) {}

  read(target: Uint8Array): Promise<number> {
    const n = Math.min(target.length, this.step, this.bytes.length - this.#at);
    this.bytes.copy(target, 0, this.#at, this.#at + n);
    this.#at += n;
    return Promise.resolve(n);
  }
  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** One direction of a duplex link within the process. */
export class Pipe implements ByteSink, ByteSource {
  readonly label = 'pipe';
  readonly #queue: Buffer[] = [];
  #ended = false;
  #closed = false;
  #wake: () => void = () => undefined;

  /** @param change applied to every write, to simulate a damaged link */
  constructor(private readonly change: (bytes: Buffer) => Buffer = (bytes) => bytes) {}

  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended || this.#closed) return Promise.reject(new RamferryError('ERR_LINK_CLOSED', 'closed'));
    this.#queue.push(this.change(Buffer.from(bytes)));
    this.#wake();
    return Promise.resolve();
  }
  queued(): number {
    return 0;
  }
  finish(): Promise<void> {
    this.#ended = true;
    this.#wake();
    return Promise.resolve();
  }
  abort(): Promise<void> {
    return this.finish();
  }
  async read(target: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#closed) throw new RamferryError('ERR_LINK_CLOSED', 'closed');
      const first = this.#queue[0];
      if (first !== undefined && first.length > 0) {
        const n = first.copy(target);
        this.#queue[0] = first.subarray(n);
        return n;
      }
      if (first !== undefined) this.#queue.shift();
      else if (this.#ended) return 0;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
  close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    return Promise.resolve();
  }
}

export function oneWay(end: ByteSink | ByteSource): Channel {
  return 'write' in end
    ? { source: undefined, sink: end, duplex: false }
    : { source: end, sink: undefined, duplex: false };
}

/** A small guest. PVH's first round has only 5000 page frames. */
export function smallGuest(format: GuestFormat, bytes = 8 * MIB, seed = 1): Promise<SimulatedGuest> {
  return createGuest({ format, memory: { bytes, profile: 'busy' }, seed, pvhFrames: 5000, partBytes: MIB });
}

/** Three live rounds, each of which dirties the whole working set. Writes are counted, so the clock has no influence. */
export const HEAVY: SendGuestOptions = {
  policy: { kind: 'fixed', rounds: 3 },
  load: {
    pattern: 'integers',
    workingSetPages: 1024,
    firstPage: 512,
    seed: 9,
    rate: { pagesPerRound: 1500 },
  },
};

export async function record(
  guest: SimulatedGuest,
  options: SendGuestOptions = HEAVY,
): Promise<{ stream: Buffer; report: SendGuestReport }> {
  const sink = new MemorySink();
  const report = await sendGuest(oneWay(sink), guest, options);
  assert.equal(sink.finished, 1);
  return { stream: sink.bytes, report };
}

export function replay(stream: Buffer, step?: number): Promise<ReceiveGuestReport> {
  return receiveGuest(oneWay(new MemorySource(stream, step)), { limitBytes: LIMIT });
}

export function code(...expected: ErrorCode[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RamferryError, String(error));
    assert.ok(expected.includes(error.code), `${error.code}: ${error.message}`);
    return true;
  };
}

export function assertSameRam(one: SimulatedGuest['ram'], other: SimulatedGuest['ram']): void {
  assert.equal(one.pages, other.pages);
  const others = other.pieces();
  for (const piece of one.pieces()) assert.ok(piece.equals(others.next().value as Buffer), 'RAM differs');
}
