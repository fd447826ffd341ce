// `Prestart`: threads that are ready before the peer connects. While an address listens, the threads start and load their codecs,
// and a warm-up lets V8 compile the hot paths. A connection cancels the warm-up. Its errors are ignored: the transfer would meet
// them, too, and report them.

import type { OpenOptions } from '../../link/options.js';
import { ThreadGroup } from '../../pool/thread-group.js';
import type { GivenThreads, OwnThreads } from '../../pool/worker-pool.js';

/** Runs synthetic pages through threads that go on afterwards. Ends soon after `isCancelled` gives true. May reject. */
export type WarmUp = (threads: OwnThreads, isCancelled: () => boolean) => Promise<void>;

export interface PrestartOptions {
  readonly entry: URL;
  readonly threads: number;
  /** Undefined where the memory limit is too low for one. */
  readonly warmUp: WarmUp | undefined;
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
  #group: ThreadGroup | undefined;
  #warmingUp: Promise<void> = Promise.resolve();
  #cancelled = false;

  constructor(options: PrestartOptions) {
    this.#options = options;
  }

  /** @returns the same options, with a listener that starts the threads as soon as one of the addresses listens */
  whileListening(options: OpenOptions): OpenOptions {
    return {
      ...options,
      onListening: (address) => {
        this.#begin();
        options.onListening?.(address);
      },
    };
  }

  /** Call when the peer has connected. The rest of the warm-up takes milliseconds, and the threads' tasks wait for it. */
  cancelWarmUp(): void {
    this.#cancelled = true;
  }

  /** Hands over the threads, once; the caller must close them. @returns undefined if none are running */
  take(): OwnThreads | undefined {
    const group = this.#group;
    this.#group = undefined;
    return group === undefined ? undefined : { group, borrowed: false };
  }

  /** A single transfer's page store takes memory as pages come: most streams need little of it, and some none. */
  takeStore(): undefined {
    return undefined;
  }

  /** Ends the warm-up, and the threads if they were not taken. */
  async close(): Promise<void> {
    this.#cancelled = true;
    await this.#warmingUp;
    await this.#group?.close();
  }

  #begin(): void {
    if (this.#group !== undefined || this.#cancelled) return;
    const { entry, threads, warmUp } = this.#options;
    const group = new ThreadGroup({ entry, threads, atOnce: true });
    this.#group = group;
    if (warmUp === undefined) return;
    this.#warmingUp = warmUp({ group, borrowed: true }, () => this.#cancelled).catch(() => undefined);
  }
}
