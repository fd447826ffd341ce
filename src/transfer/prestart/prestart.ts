// Threads that are there before the other side comes. While an address waits for somebody to connect there is time: the
// threads start, load their codecs, and rehearse, so that V8 has compiled what a transfer needs when the guest begins to
// send; and the page store's memory is touched. Whoever comes ends the rehearsal at once. What a rehearsal meets is nobody's
// failure: the transfer will say it.

import type { OpenOptions } from '../../link/options.js';
import { ThreadGroup } from '../../pool/thread-group.js';
import type { GivenThreads } from '../../pool/worker-pool.js';
import { StoreReserve } from '../../store/reserve.js';

/** Goes through the motions with threads that stay; ends soon after `over` says so. May fail. */
export type Rehearsal = (crew: GivenThreads, over: () => boolean) => Promise<void>;

export interface StandbyOptions {
  readonly entry: URL;
  readonly threads: number;
  /** Absent where there is no room for one. */
  readonly rehearsal: Rehearsal | undefined;
  /** Of the page store that the transfer will probably have; 0 = none. */
  readonly storeBytes: number;
}

export class Prestart {
  readonly #options: StandbyOptions;
  #crew: ThreadGroup | undefined;
  #rehearsing: Promise<void> = Promise.resolve();
  #reserve: StoreReserve | undefined;
  #over = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** The same options; but when one of the addresses listens, the threads start. */
  whileListening(options: OpenOptions): OpenOptions {
    return {
      ...options,
      onListening: (address) => {
        this.#begin();
        options.onListening?.(address);
      },
    };
  }

  /** Somebody has come: no more rehearsing. What is under way of it takes milliseconds, and tasks wait for it. */
  arrived(): void {
    this.#over = true;
  }

  /** The threads, once; whoever takes them ends them. Memory that nobody has asked for until then is given up: no store needs it. */
  take(): GivenThreads | undefined {
    const crew = this.#crew;
    this.#crew = undefined;
    this.#reserve = undefined;
    return crew === undefined ? undefined : { crew, lent: false };
  }

  /** Memory of a page store that was touched meanwhile, once. */
  takeStore(bytes: number): SharedArrayBuffer | undefined {
    return this.#reserve?.take(bytes);
  }

  /** Ends what nobody has taken. */
  async close(): Promise<void> {
    this.#over = true;
    await this.#rehearsing;
    await this.#crew?.close();
  }

  #begin(): void {
    if (this.#crew !== undefined || this.#over) return;
    const { entry, threads, rehearsal, storeBytes } = this.#options;
    const crew = new ThreadGroup({ entry, threads, atOnce: true });
    this.#crew = crew;
    this.#reserve = new StoreReserve(storeBytes);
    void this.#reserve.touch(() => this.#over);
    if (rehearsal === undefined) return;
    this.#rehearsing = rehearsal({ crew, lent: true }, () => this.#over).catch(() => undefined);
  }
}
