// `InlineLoad`: decides when worker threads pay. The main thread runs the first jobs; a thread costs about a tenth of a processor second
// before its first job (Node's bootstrap, ramferry's modules, V8's compiling). So threads start when jobs have held up the transfer
// for as long as the threads cost. Pure: the clocks are passed in.

import { MIB } from '../units.js';

/** Milliseconds that the event loop has waited for events, and that it has worked. */
export interface LoopTimes {
  readonly idle: number;
  readonly active: number;
}

/** Milliseconds over which the load of the main thread is measured. */
const INTERVAL_MS = 40;
/** Share of an interval from which on the main thread limits the transfer. */
const SATURATED = 0.85;
/** Milliseconds of held-up work after which threads start. */
const THREADS_COST_MS = 500;
/** A stream that ends within so many bytes never gets threads, unless its codec is slow. */
const SHORT_BYTES = 32 * MIB;
/** Milliseconds of held-up work after which a codec is slow: threads then start for a short stream, too. */
const SLOW_MS = 1000;

/** Bytes of jobs, or milliseconds of them, before the first look at the event loop's clock. */
const CLOCK_FROM_BYTES = 2 * MIB;
const CLOCK_FROM_MS = 20;

export class InlineLoad {
  readonly #times: () => LoopTimes;
  #last: LoopTimes | undefined;
  /** Milliseconds of jobs in the current interval, and of those that another job waited behind. */
  #jobs = 0;
  #waitedFor = 0;
  /** Milliseconds for which jobs have held up the transfer. */
  #heldUp = 0;
  #bytes = 0;

  constructor(times: () => LoopTimes = () => performance.eventLoopUtilization()) {
    this.#times = times;
  }

  /**
   * A job has ended.
   * @param took milliseconds of the processor
   * @param bytes of the job: the longer of its input and output
   * @param isWaitedFor another job waits, and the consumer waits for results. Where a codec works in threads of its own, only this shows
   *   the limit: the event loop is idle meanwhile
   * @returns whether threads pay
   */
  worked(took: number, bytes: number, isWaitedFor: boolean): boolean {
    this.#bytes += bytes;
    this.#jobs += took;
    if (isWaitedFor) this.#waitedFor += took;
    this.#closeInterval();
    return this.#heldUp >= (this.#bytes < SHORT_BYTES ? SLOW_MS : THREADS_COST_MS);
  }

  #closeInterval(): void {
    // The clock's module takes Node 3 ms to load, and a transfer of a chunk or two needs no threads. The jobs before count in the
    // first interval.
    if (this.#last === undefined && this.#bytes < CLOCK_FROM_BYTES && this.#jobs < CLOCK_FROM_MS) return;
    const { idle, active } = this.#times();
    this.#last ??= { idle, active };
    const activeNow = active - this.#last.active;
    const interval = idle - this.#last.idle + activeNow;
    if (interval < INTERVAL_MS) return;
    this.#last = { idle, active };
    // Below saturation something else limits (the link, the hypervisor): bursts then do not add up.
    if (Math.max(activeNow, this.#waitedFor) >= SATURATED * interval) this.#heldUp += this.#jobs;
    else this.#heldUp /= 2;
    this.#jobs = 0;
    this.#waitedFor = 0;
  }
}
