// How much may be beyond our last write: in network buffers, in the receiver, on the way to the far hypervisor. All of it
// counts as downtime when the guest is paused. Network buffers take megabytes in a moment, so a write that returned tells
// nothing; the receiver's word of what it has delivered does. Takes that word and the chunks as they leave, holds a write
// back while chunks take longer than the way itself (way-time.ts) and QUEUE_MS. It knows no rates: a delay says what must be
// known.
//
// It never stops a transfer. Whatever a receiver keeps to itself, and however it fails to speak: when STALL_MS have passed
// without progress, nobody is held back until there is progress again.

import type { RamferryError } from '../../errors.js';
import { WayTime } from './way-time.js';

/** How long a chunk may wait on its way besides what the way itself takes. */
const QUEUE_MS = 40;
/** When the limit holds a write back and chunks come earlier than they may, it grows by this at most. */
const LARGEST_GROWTH = 1.5;
/** Late chunks lower the limit to this much of itself at once: a single one may be the scheduler's fault. */
const LARGEST_CUT = 0.5;
/** One chunk on the link and one being restored: with fewer the link would fall idle. */
const LEAST_CHUNKS = 2;
/** A receiver that has delivered nothing for so long is not waited for: the link's own back-pressure must do. */
const STALL_MS = 1000;

interface Underway {
  /** Position in the stream behind the chunk. */
  readonly end: number;
  readonly at: number;
  /** Bytes on their way when it left, its own included. */
  readonly ahead: number;
  /** It left while the way was let run empty, when less than a chunk was left there. */
  readonly alone: boolean;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (reason: RamferryError) => void;
}

export class DeliveryWindow {
  readonly #chunkSize: number;
  readonly #least: number;
  readonly #now: () => number;
  readonly #way: WayTime;
  readonly #chunks: Underway[] = [];
  #sent = 0;
  #delivered = 0;
  #limit: number;
  /** Where the stream was when the limit changed: chunks from before tell nothing about the limit of now. */
  #changed = 0;
  #heldBack = false;
  /** Something was delivered, and no stall has followed. */
  #trusted = false;
  #failure: RamferryError | undefined;
  #waiting: Waiting[] = [];

  /** @param chunkSize the most bytes of a chunk; @param atFirst bytes that may be on their way before anything is known */
  constructor(chunkSize: number, atFirst: number, now: () => number = () => performance.now()) {
    this.#chunkSize = chunkSize;
    this.#least = LEAST_CHUNKS * chunkSize;
    this.#limit = Math.max(this.#least, atFirst);
    this.#now = now;
    this.#way = new WayTime(now);
  }

  /** Decoded bytes that may be on their way when a chunk joins them. */
  get limit(): number {
    return this.#way.probing ? this.#chunkSize : this.#limit;
  }

  /** A chunk of so many decoded bytes begins to leave. */
  sent(bytes: number): void {
    if (bytes === 0) return;
    const before = this.#sent - this.#delivered;
    const alone = this.#way.probing && before < this.limit;
    this.#sent += bytes;
    this.#chunks.push({ end: this.#sent, at: this.#now(), ahead: before + bytes, alone });
  }

  /** @param bytes all that the receiver has delivered since the beginning, decoded; the same as before is no news */
  delivered(bytes: number): void {
    if (bytes <= this.#delivered) return;
    this.#trusted = true;
    this.#delivered = bytes;
    let last: Underway | undefined;
    while (this.#chunks.length > 0 && this.#chunks[0]!.end <= bytes) last = this.#chunks.shift()!;
    if (last !== undefined) this.#learn(last);
    this.#wake();
  }

  /**
   * Resolves when the next chunk may leave; at once where nothing is known.
   * @returns whether it had to wait
   * @throws what the transfer failed with
   */
  async room(): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#full) return false;
    this.#heldBack = true;
    while (this.#full) await this.#progress();
    return true;
  }

  /** The transfer has failed: whoever waits, or comes later, learns it. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  get #full(): boolean {
    return this.#trusted && this.#sent - this.#delivered >= this.limit;
  }

  #learn({ end, at, ahead, alone }: Underway): void {
    const delay = Math.max(this.#now() - at, Number.EPSILON);
    if (this.#way.probing) {
      if (!alone) return;
      this.#way.learnt(delay);
      this.#change(this.#limit);
      return;
    }
    this.#way.took(delay);
    const allowed = this.#way.shortest + QUEUE_MS;
    const late = delay > allowed;
    if (this.#heldBack && this.#way.probe(late && this.#limit === this.#least)) return;
    if (end <= this.#changed) return;
    // What was on its way took so long; in proportion, so much takes as long as is allowed.
    const fits = ahead * (allowed / delay);
    if (late) {
      const cut = Math.max(fits, this.#limit * LARGEST_CUT);
      this.#change(Math.max(this.#least, Math.min(this.#limit, cut)));
    } else if (this.#heldBack) {
      this.#change(Math.max(this.#limit, Math.min(fits, this.#limit * LARGEST_GROWTH)));
    }
  }

  #change(limit: number): void {
    this.#limit = limit;
    this.#changed = this.#sent;
    this.#heldBack = false;
  }

  /** Resolves with the next progress, or when there was none for too long. */
  async #progress(): Promise<void> {
    const stalled = setTimeout(() => {
      this.#trusted = false;
      this.#way.giveUp();
      this.#wake();
    }, STALL_MS);
    try {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    } finally {
      clearTimeout(stalled);
    }
  }

  #wake(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
