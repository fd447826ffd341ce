// `StreamFeeder`: reads the input into slots and pushes each as a chunk, while a grammar walks the bytes. extent-feeder.ts feeds
// regular files whose extents the workers read themselves; both cut the same stream into the same chunks. The feeder waits for free
// slots (back-pressure) and does not depend on the output.

import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { RamferryError } from '../../errors.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { Signal } from '../../os/signal.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { OrderedPool } from '../../pool/ordered-pool.js';
import type { SwitchoverPace } from '../pace/switchover-pace.js';
import { CarriedBytes } from './carried-bytes.js';
import { type Cut, Filler } from './filler.js';
import { leavesAsHole, passesHole } from './holes.js';
import { refuseContents } from './refused-contents.js';
import type { PageTally } from '../statistics/counts.js';
import type { RoundCounter } from '../statistics/rounds.js';

/** Takes the chunks that a feeder has cut. */
export interface ChunkTaker {
  /** Pushes a slot as the next chunk; its input, segments and offset are set. */
  take(slot: number, cut: Cut): void | Promise<void>;
}

/** While the guest is paused, a writer that stalls this long waits for its bytes to arrive at the destination, so they are sent. */
const DOWNTIME_FLUSH_MS = 2;

export interface StreamFeederOptions {
  readonly source: ByteSource;
  /** Bytes of the source that the recognition of the format has read. */
  readonly head: Uint8Array;
  readonly grammar: Grammar;
  readonly pool: OrderedPool;
  readonly chunkSize: number;
  /** Cut where page data and other records meet. */
  readonly regions: boolean;
  /** Report the identities of pages (Cut.runs); absent = no. */
  readonly identities?: boolean;
  /** Milliseconds after which a partly filled chunk is sent. */
  readonly flushAfter: number;
  readonly taker: ChunkTaker;
  /** Counts the rounds of the stream by its pages. */
  readonly rounds?: RoundCounter | undefined;
  /** Delays reads near the end of a round. */
  readonly switchover?: SwitchoverPace | undefined;
}

/** Walks a stream to the end of the input, or exactly to the end of stream where the grammar finds it. */
export class StreamFeeder {
  readonly #options: StreamFeederOptions;
  readonly #filler: Filler;
  #slot = -1;
  /** Bytes in the slot's input. */
  #filled = 0;
  /** Bytes of the slot's input that the grammar has consumed; negative while it scans bytes that a flush has sent. */
  #scanned = 0;
  #offset = 0;
  #atEnd = false;
  /** Bytes that were read from the source, the head included. */
  #taken: number;
  #head: Uint8Array;
  readonly #carried = new CarriedBytes();
  #timer: NodeJS.Timeout | undefined;
  #flushDue = false;
  /** The slot's input lies in a hole of the file and was not read: its bytes are zero, and its memory is not. */
  #inHole = false;
  /** A flush is due, or the pending read is done. */
  readonly #flushOrRead = new Signal();
  /** The error of a read. A feeder may also fail because the output has failed. */
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

  /** The pages so far. */
  get tally(): PageTally {
    return this.#filler.tally;
  }

  /** Decoded bytes that were read so far. */
  get received(): number {
    return this.#offset + this.#filled;
  }

  async run(): Promise<void> {
    try {
      await this.#open(new Uint8Array(0), 0);
      while (await this.#step());
    } finally {
      // A pending timer keeps the process alive after a failure.
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
    // A grammar may return early: scan again as long as it consumes bytes.
    while (!this.#filler.full) {
      const from = OPERATIONS_CAPACITY + this.#scanned;
      const data = front.subarray(from, OPERATIONS_CAPACITY + this.#filled);
      if ((data.length === 0 && !this.#atEnd) || grammar.state === 'done') return;
      const consumed = grammar.scan(data, this.#atEnd, this.#filler);
      this.#scanned += consumed;
      refuseContents(grammar, this.#offset);
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
    const { source, grammar, chunkSize, pool, switchover } = this.#options;
    const slot = pool.slots[this.#slot]!;
    // Only a descriptor that other programs share is read exactly to the stream's end; from a file, bytes behind it may be read.
    const mayRead = source.file === undefined ? (grammar.mayRead ?? Infinity) : Infinity;
    const room = Math.min(chunkSize - this.#filled, mayRead);
    // A read of zero bytes looks like the end of the input: the rest of the stream would be lost silently.
    if (room <= 0) throw new RamferryError('ERR_INTERNAL', 'a grammar holds back more than a chunk can have');
    if (this.#filled === 0 && this.#head.length === 0 && passesHole(source, grammar, room)) {
      this.#inHole = true;
      this.#advance(room);
      return;
    }
    if (this.#head.length > 0) {
      const part = this.#head.subarray(0, room);
      slot.input.set(part, this.#filled);
      this.#head = this.#head.subarray(part.length);
      this.#arrived(part.length);
      return;
    }
    const base = this.#filled;
    const target = slot.input.subarray(base, base + room);
    const reading = switchover === undefined ? source.read(target) : switchover.read(source, target);
    const got = await this.#flushWhileWaiting(reading);
    if (this.#filled !== base) {
      // A flush has sent the bytes in front of those that just arrived.
      slot.input.copyWithin(this.#filled, base, base + got);
    }
    if (got === 0) this.#atEnd = true;
    this.#advance(got);
  }

  /** Counts bytes that were read, or passed over. */
  #advance(bytes: number): void {
    const { source } = this.#options;
    this.#taken += bytes;
    if (this.#atEnd || this.#taken === source.file?.size) source.unchanged?.();
    this.#arrived(bytes);
  }

  #arrived(bytes: number): void {
    // A regular file is read as fast as the disk allows. On a busy host a flush would only make its chunks depend on time.
    if (bytes > 0 && this.#timer === undefined && this.#options.source.file === undefined) this.#startTimer();
    this.#filled += bytes;
  }

  /** Waits for the read. When the oldest byte in the slot has waited for the flush delay, sends the bytes that arrived before. */
  async #flushWhileWaiting(reading: Promise<number>): Promise<number> {
    const state = { done: false };
    const finished = reading.finally(() => {
      state.done = true;
      this.#flushOrRead.notify();
    });
    // The promise is awaited below, but a flush may come first.
    finished.catch((thrown: unknown) => (this.inputFailure = thrown));
    while (this.#filled > 0 && !state.done) {
      if (!this.#flushDue) await this.#flushOrRead.wait();
      // A chunk that waits behind another one for a worker arrives no sooner, and more bytes may fill it meanwhile.
      else if (this.#options.pool.hasBacklog) this.#startTimer();
      else if (!(await this.#flushOpenSlot())) break;
    }
    return finished;
  }

  /**
   * Copies the bytes of the open slot into another slot and sends that slot, because a read into the open slot is pending. Bytes of an
   * incomplete item are sent as skeleton. They stay in front of the input, where the grammar scans them again.
   * @returns false when no byte can be sent
   */
  async #flushOpenSlot(): Promise<boolean> {
    const { pool } = this.#options;
    const filler = this.#filler;
    /** Bytes that the grammar has not recognised yet; an earlier flush may have sent part of them. */
    const unrecognised = this.#filled - this.#scanned;
    const here = Math.min(unrecognised, this.#filled);
    // Where other records must stay untouched, unrecognised bytes cannot be sent: they may be page data or another record.
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

  #startTimer(): void {
    this.#endTimer();
    this.#timer = setTimeout(() => {
      this.#flushDue = true;
      this.#flushOrRead.notify();
    }, this.#flushDelay());
  }

  #endTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushDue = false;
  }

  async #take(index: number, cut: Cut, inHole = false): Promise<void> {
    const { encode } = this.#options.pool.slots[index]!;
    encode.begin();
    encode.inHole = inHole;
    encode.inputLength = cut.length;
    encode.offset = this.#offset;
    this.#offset += cut.length;
    await this.#options.taker.take(index, cut);
  }

  async #push(cut: Cut): Promise<void> {
    const index = this.#slot;
    const slot = this.#options.pool.slots[index]!;
    const inHole = this.#inHole && leavesAsHole(slot, cut, this.#filled);
    // Bytes behind the cut go to the next slot. They are copied before a worker may change this one.
    const rest = this.#carried.copy(slot.input.subarray(cut.length, this.#filled));
    const scanned = this.#scanned - cut.length;
    this.#endTimer();
    // The stream ends here, even when the file goes on behind its end.
    if (this.#options.grammar.state === 'done') this.#options.source.unchanged?.();
    await this.#take(index, cut, inHole);
    await this.#open(rest, scanned);
  }

  async #open(rest: Uint8Array, scanned: number): Promise<void> {
    const { pool } = this.#options;
    this.#slot = await pool.acquire();
    this.#inHole = false;
    const slot = pool.slots[this.#slot]!;
    slot.input.set(rest);
    this.#filled = 0;
    this.#arrived(rest.length);
    this.#scanned = scanned;
    this.#filler.begin(slot.segments);
  }
}
