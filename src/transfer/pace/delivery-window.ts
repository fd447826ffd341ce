// `DeliveryWindow`: limits the bytes in flight. They lie in network buffers, in the receiver and on the way to the destination's
// hypervisor, and all of them count as downtime when the guest is paused. A write that returned proves nothing, because network
// buffers take megabytes at once; the receiver's acknowledgement does. The window holds a write back while chunks take longer than the
// empty way (way-time.ts) plus QUEUE_MS. It measures delays, no rates.
//
// The window never stops a transfer: after STALL_MS without a new acknowledgement it holds no write back until the next one.

import type { RamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import { WayTime } from './way-time.js';

/** How long a chunk may wait in queues, in addition to what the empty way takes. */
const QUEUE_MS = 40;
/** Factor by which the limit grows at most, when it holds a write back and chunks arrive in time. */
const LARGEST_GROWTH = 1.5;
/** Share of itself to which late chunks lower the limit at most at once: the scheduler may have delayed a single chunk. */
const LARGEST_CUT = 0.5;
/** One chunk on the link and one that is being restored: with fewer the link would fall idle. */
const MIN_CHUNKS = 2;
/** After so long without a new acknowledgement only the link's own back-pressure counts. */
const STALL_MS = 1000;

interface ChunkInFlight {
  /** Position in the stream behind the chunk. */
  readonly end: number;
  readonly sentAt: number;
  /** Bytes in flight when it left, its own included. */
  readonly inFlight: number;
  /** It left during a probe of the empty way, with less than a chunk in flight. */
  readonly alone: boolean;
}

export class DeliveryWindow {
  readonly #chunkSize: number;
  readonly #minimum: number;
  readonly #now: () => number;
  readonly #way: WayTime;
  readonly #chunks: ChunkInFlight[] = [];
  #sent = 0;
  #delivered = 0;
  #limit: number;
  /** Position in the stream when the limit changed: earlier chunks say nothing about the current limit. */
  #changedAt = 0;
  #heldBack = false;
  /** The receiver has acknowledged something, and no stall has followed. */
  #trusted = false;
  #failure: RamferryError | undefined;
  readonly #progressed = new Signal();

  /**
   * @param chunkSize most bytes of a chunk
   * @param initialLimit bytes that may be in flight before anything is measured
   */
  constructor(chunkSize: number, initialLimit: number, now: () => number = () => performance.now()) {
    this.#chunkSize = chunkSize;
    this.#minimum = MIN_CHUNKS * chunkSize;
    this.#limit = Math.max(this.#minimum, initialLimit);
    this.#now = now;
    this.#way = new WayTime(now);
  }

  /** Decoded bytes that may be in flight when the next chunk leaves. */
  get limit(): number {
    return this.#way.probing ? this.#chunkSize : this.#limit;
  }

  /** A chunk of so many decoded bytes begins to leave. */
  sent(bytes: number): void {
    if (bytes === 0) return;
    const before = this.#sent - this.#delivered;
    const alone = this.#way.probing && before < this.limit;
    this.#sent += bytes;
    this.#chunks.push({ end: this.#sent, sentAt: this.#now(), inFlight: before + bytes, alone });
  }

  /** @param bytes decoded bytes that the receiver has delivered since the beginning; the same number again changes nothing */
  delivered(bytes: number): void {
    if (bytes <= this.#delivered) return;
    this.#trusted = true;
    this.#delivered = bytes;
    let last: ChunkInFlight | undefined;
    while (this.#chunks.length > 0 && this.#chunks[0]!.end <= bytes) last = this.#chunks.shift()!;
    if (last !== undefined) this.#learn(last);
    this.#progressed.notify();
  }

  /**
   * Resolves when the next chunk may leave; at once before the first acknowledgement.
   * @returns whether it had to wait
   * @throws what the transfer failed with
   */
  async room(): Promise<boolean> {
    this.#throwIfFailed();
    if (!this.#full) return false;
    this.#heldBack = true;
    while (this.#full) {
      await this.#progress();
      this.#throwIfFailed();
    }
    return true;
  }

  /** The transfer has failed: current and later calls of `room` reject with `reason`. */
  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#progressed.notify();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  get #full(): boolean {
    return this.#trusted && this.#sent - this.#delivered >= this.limit;
  }

  #learn({ end, sentAt, inFlight, alone }: ChunkInFlight): void {
    const delay = Math.max(this.#now() - sentAt, Number.EPSILON);
    if (this.#way.probing) {
      if (!alone) return;
      this.#way.probed(delay);
      this.#change(this.#limit);
      return;
    }
    this.#way.measured(delay);
    const allowed = this.#way.shortest + QUEUE_MS;
    const late = delay > allowed;
    if (this.#heldBack && this.#way.beginProbe(late && this.#limit === this.#minimum)) return;
    if (end <= this.#changedAt) return;
    // The delay is proportional to the bytes in flight: so many of them arrive within the allowed delay.
    const fits = inFlight * (allowed / delay);
    if (late) {
      const cut = Math.max(fits, this.#limit * LARGEST_CUT);
      this.#change(Math.max(this.#minimum, Math.min(this.#limit, cut)));
    } else if (this.#heldBack) {
      this.#change(Math.max(this.#limit, Math.min(fits, this.#limit * LARGEST_GROWTH)));
    }
  }

  #change(limit: number): void {
    this.#limit = limit;
    this.#changedAt = this.#sent;
    this.#heldBack = false;
  }

  /** Resolves with the next acknowledgement or failure, or after STALL_MS without one. */
  async #progress(): Promise<void> {
    const stalled = setTimeout(() => {
      this.#trusted = false;
      this.#way.endProbe();
      this.#progressed.notify();
    }, STALL_MS);
    try {
      await this.#progressed.wait();
    } finally {
      clearTimeout(stalled);
    }
  }
}
