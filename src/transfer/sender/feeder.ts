// Reads the input into slots and pushes each as a chunk, while a grammar walks the bytes as they come. The feeder of a
// regular file whose extents the workers read is in extent-feeder.ts: both cut the same stream into the same chunks.
// It waits for free slots (back-pressure) and knows nothing of the output.

import { Buffer } from 'node:buffer';

import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';
import { type Cut, Filler } from './filler.js';
import type { RoundCounter } from '../statistics/rounds.js';

/** What the feeder asks of whoever turns slots into chunks. */
export interface ChunkTaker {
  /** Pushes a slot whose input, segments and place are set. */
  take(slot: number, cut: Cut): void | Promise<void>;
}

/** While the guest is paused, a writer that stalls this long is waiting for what it wrote to arrive. */
const DOWNTIME_FLUSH_MS = 2;

export interface StreamFeederOptions {
  readonly source: ByteSource;
  /** Bytes that were read already, to recognise the format. */
  readonly head: Uint8Array;
  readonly grammar: Grammar;
  readonly pool: OrderedPool;
  readonly chunkSize: number;
  /** Cut where page data and other records meet. */
  readonly regions: boolean;
  /** Tell the identities of pages (Cut.identities); absent = no. */
  readonly identities?: boolean;
  /** Milliseconds after which waiting bytes leave although their chunk is not full. */
  readonly flushAfter: number;
  readonly taker: ChunkTaker;
  /** Is told the pages of the stream. */
  readonly rounds?: RoundCounter | undefined;
}

/** Walks a stream until it ends (or, for a grammar that knows its end, exactly to there). */
export class StreamFeeder {
  readonly #options: StreamFeederOptions;
  readonly #filler: Filler;
  #slot = -1;
  /** Bytes in the slot's input. */
  #filled = 0;
  /** Bytes that the grammar has consumed, counted from the same place; negative while it looks at bytes that left. */
  #scanned = 0;
  #offset = 0;
  #atEnd = false;
  #taken: number;
  #head: Uint8Array;
  #timer: NodeJS.Timeout | undefined;
  #flushDue = false;
  #wake: (() => void) | undefined;
  /** What a read of the input failed with; a feeder may also end because the output has failed. */
  inputFailure: unknown;

  constructor(options: StreamFeederOptions) {
    this.#options = options;
    const { regions, rounds, identities, chunkSize, head } = options;
    this.#filler = new Filler(regions, rounds, identities === true ? Math.ceil(chunkSize / PAGE_BYTES) : 0);
    this.#head = head;
    this.#taken = head.length;
  }

  /** Decoded bytes that were pushed so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Decoded bytes that have come so far. */
  get received(): number {
    return this.#offset + this.#filled;
  }

  async run(): Promise<void> {
    try {
      await this.#open(new Uint8Array(0), 0);
      while (await this.#step());
    } finally {
      // It would keep a process alive whose transfer has failed.
      this.#endTimer();
    }
    this.#options.pool.release(this.#slot);
  }

  /** Scans, and pushes or reads; false at the end of the stream. */
  async #step(): Promise<boolean> {
    this.#scan();
    const cut = this.#due();
    if (cut !== undefined) {
      await this.#push(cut);
    } else if (this.#options.grammar.state === 'done' || this.#atEnd) {
      if (this.#filler.length === 0) return false;
      await this.#push(this.#filler.cutHere());
    } else {
      await this.#read();
    }
    return true;
  }

  #scan(): void {
    const { grammar } = this.#options;
    const { front } = this.#options.pool.slots[this.#slot]!;
    // A grammar may return early; it is asked again as long as it moves.
    while (!this.#filler.full) {
      const from = OPERATIONS_CAPACITY + this.#scanned;
      const data = front.subarray(from, OPERATIONS_CAPACITY + this.#filled);
      if ((data.length === 0 && !this.#atEnd) || grammar.state === 'done') return;
      const consumed = grammar.scan(data, this.#atEnd, this.#filler);
      this.#scanned += consumed;
      if (grammar.compressed === true) throw alreadyCompressed(this.#offset);
      if (grammar.damage !== undefined) throw damaged(grammar.damage);
      if (consumed === 0) return;
    }
  }

  /** The cut that is due now, if any. */
  #due(): Cut | undefined {
    const filler = this.#filler;
    if (filler.cut !== undefined) return filler.cut;
    if (this.#filled === this.#options.chunkSize && filler.length > 0) return filler.cutHere();
    return undefined;
  }

  async #read(): Promise<void> {
    const { source, grammar, chunkSize, pool } = this.#options;
    const slot = pool.slots[this.#slot]!;
    // What lies behind the end of a stream in a file is nobody's to miss: only a shared descriptor is read exactly.
    const mayRead = source.file === undefined ? (grammar.mayRead ?? Infinity) : Infinity;
    const room = Math.min(chunkSize - this.#filled, mayRead);
    // A read without room looks like the end of the input: the rest of the stream would be lost without a word.
    if (room <= 0) throw new RamferryError('ERR_INTERNAL', 'a grammar holds back more than a chunk can have');
    if (this.#head.length > 0) {
      const part = this.#head.subarray(0, room);
      slot.input.set(part, this.#filled);
      this.#head = this.#head.subarray(part.length);
      this.#arrived(part.length);
      return;
    }
    const base = this.#filled;
    const reading = source.read(slot.input.subarray(base, base + room));
    const got = await this.#flushWhileWaiting(reading);
    if (this.#filled !== base) {
      // A flush has taken away what stood in front of the bytes that just arrived.
      slot.input.copyWithin(this.#filled, base, base + got);
    }
    if (got === 0) this.#atEnd = true;
    this.#taken += got;
    if (this.#atEnd || this.#taken === source.file?.size) source.unchanged?.();
    this.#arrived(got);
  }

  #arrived(bytes: number): void {
    // Nobody writes a regular file while we wait for it: it is read as fast as the disk allows, and on a busy host a
    // flush would only make the chunks depend on time.
    if (bytes > 0 && this.#timer === undefined && this.#options.source.file === undefined) {
      this.#timer = setTimeout(() => {
        this.#flushDue = true;
        this.#wake?.();
      }, this.#flushDelay());
    }
    this.#filled += bytes;
  }

  /** Waits for the read; when the delay of the first waiting byte is over, sends what is there meanwhile. */
  async #flushWhileWaiting(reading: Promise<number>): Promise<number> {
    const state = { done: false };
    const finished = reading.finally(() => (state.done = true));
    // It is awaited below, but a flush may stand in between.
    finished.catch((thrown: unknown) => (this.inputFailure = thrown));
    while (this.#filled > 0 && !state.done) {
      if (this.#flushDue) {
        if (!(await this.#flushOpenSlot())) break;
        continue;
      }
      await Promise.race([finished, new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
    return finished;
  }

  /**
   * Sends what the open slot holds in a slot of its own: a read into the open one is under way. Bytes of an item that
   * is not complete leave as skeleton; they stay in front of the input for the grammar to see again.
   * @returns false when there is nothing that could leave
   */
  async #flushOpenSlot(): Promise<boolean> {
    const { pool } = this.#options;
    const filler = this.#filler;
    /** What the grammar has not recognised yet; part of it may have left at an earlier flush. */
    const unrecognised = this.#filled - this.#scanned;
    const here = Math.min(unrecognised, this.#filled);
    // Where records of another kind must stay untouched, what is not recognised yet cannot be put anywhere.
    if (filler.mayTakeIncomplete && here > 0) filler.incomplete(here);
    if (filler.length === 0) return false;
    const cut = filler.cutHere();
    const open = pool.slots[this.#slot]!;
    const index = await pool.acquire();
    const target = pool.slots[index]!;
    target.input.set(open.input.subarray(0, cut.length));
    target.segments.set(open.segments.subarray(0, cut.segments * 2));
    const left = this.#filled - cut.length;
    const gone = unrecognised - left;
    open.front.copyWithin(
      OPERATIONS_CAPACITY - gone,
      OPERATIONS_CAPACITY + this.#filled - unrecognised,
      OPERATIONS_CAPACITY + this.#filled,
    );
    this.#endTimer();
    this.#filled = 0;
    this.#arrived(left);
    this.#scanned = -gone;
    await this.#take(index, cut);
    filler.begin(open.segments);
    filler.leftAlready(gone);
    return true;
  }

  #flushDelay(): number {
    const { flushAfter, grammar } = this.#options;
    return grammar.downtime === true ? Math.min(flushAfter, DOWNTIME_FLUSH_MS) : flushAfter;
  }

  #endTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushDue = false;
  }

  async #take(index: number, cut: Cut): Promise<void> {
    const { encode } = this.#options.pool.slots[index]!;
    encode.begin();
    encode.inputLength = cut.length;
    encode.offset = this.#offset;
    this.#offset += cut.length;
    await this.#options.taker.take(index, cut);
  }

  async #push(cut: Cut): Promise<void> {
    const index = this.#slot;
    const { front } = this.#options.pool.slots[index]!;
    // What lies behind the cut goes to the next slot; copied before a worker may touch this one.
    const rest = Buffer.from(
      front.subarray(OPERATIONS_CAPACITY + cut.length, OPERATIONS_CAPACITY + this.#filled),
    );
    const scanned = this.#scanned - cut.length;
    this.#endTimer();
    // The stream's own end leaves here, even when the file goes on behind it.
    if (this.#options.grammar.state === 'done') this.#options.source.unchanged?.();
    await this.#take(index, cut);
    await this.#open(rest, scanned);
  }

  async #open(rest: Uint8Array, scanned: number): Promise<void> {
    const { pool } = this.#options;
    this.#slot = await pool.acquire();
    const slot = pool.slots[this.#slot]!;
    slot.input.set(rest);
    this.#filled = 0;
    this.#arrived(rest.length);
    this.#scanned = scanned;
    this.#filler.begin(slot.segments);
  }
}

function damaged({ message, record, offset }: NonNullable<Grammar['damage']>): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', message, {
    record,
    offset,
    hint: 'bytes of the input were lost or changed: save the guest again; --format opaque carries the bytes as they are',
  });
}

function alreadyCompressed(offset: number): RamferryError {
  return new RamferryError(
    'ERR_ALREADY_COMPRESSED',
    'the input is compressed already: a Xen stream that holds records of ramferry',
    { offset, hint: 'restore it with `ramferry receive` first, or carry it by other means' },
  );
}
