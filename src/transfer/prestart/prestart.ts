// `Prestart`: what is made ready before the peer connects. An address that has listened for a while without a peer belongs to a live
// guest that may be migrated at any time, and the process is idle: a warm-up lets V8 compile the hot paths on the main thread. A
// connection ends it. Its errors are ignored: the transfer would meet them, too, and report them. No thread starts here: threads start
// when they pay (src/pool/inline-load.ts).

import type { OpenOptions } from '../../link/options.js';
import type { GivenThreads } from '../../pool/worker-pool.js';

/**
 * Runs synthetic pages through these threads, which go on afterwards, or through the main thread. Ends soon after `isCancelled` gives
 * true. May reject.
 */
export type WarmUp = (threads: GivenThreads | undefined, isCancelled: () => boolean) => Promise<void>;

/** Milliseconds without a peer before anything is made ready. A peer that comes at once does not share the processors with a warm-up. */
const IDLE_MS = 1000;

export interface PrestartOptions {
  /** Undefined where the memory limit is too low for one. */
  readonly warmUp: WarmUp | undefined;
  /** Milliseconds without a peer before it begins; a second by default. */
  readonly idle?: number;
}

/** Threads and memory of one transfer, made ready before its peer connects. */
export interface TransferParts {
  /** @returns the same options, with a listener that makes ready as soon as one of the addresses listens */
  whileListening(options: OpenOptions): OpenOptions;
  /** Call when the peer has connected. */
  cancelWarmUp(): void;
  /** Hands over the threads, once; the caller must close them. @returns undefined if none are running */
  take(): GivenThreads | undefined;
  /** Hands over the page store's memory, once. @returns undefined where there is none of this size */
  takeStore(bytes: number): SharedArrayBuffer | undefined;
  /** Ends what was not handed over. */
  close(): Promise<void>;
}

export class Prestart implements TransferParts {
  readonly #options: PrestartOptions;
  #timer: NodeJS.Timeout | undefined;
  #warmingUp: Promise<void> = Promise.resolve();
  #cancelled = false;

  constructor(options: PrestartOptions) {
    this.#options = options;
  }

  whileListening(options: OpenOptions): OpenOptions {
    return {
      ...options,
      onListening: (address) => {
        if (!this.#cancelled) {
          this.#timer ??= setTimeout(() => this.#begin(), this.#options.idle ?? IDLE_MS);
        }
        options.onListening?.(address);
      },
    };
  }

  /** The rest of the warm-up takes milliseconds. */
  cancelWarmUp(): void {
    this.#cancelled = true;
    clearTimeout(this.#timer);
  }

  /** There are none. */
  take(): undefined {
    return undefined;
  }

  /** A single transfer's page store takes memory as pages come: most streams need little of it, and some none. */
  takeStore(): undefined {
    return undefined;
  }

  /** Ends the warm-up. */
  async close(): Promise<void> {
    this.cancelWarmUp();
    await this.#warmingUp;
  }

  #begin(): void {
    const { warmUp } = this.#options;
    if (warmUp === undefined) return;
    this.#warmingUp = warmUp(undefined, () => this.#cancelled).catch(() => undefined);
  }
}
