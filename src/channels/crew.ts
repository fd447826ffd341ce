// The threads and the memory that all connections of one transfer share, and its first error, which ends all of them.

import { setMaxListeners } from 'node:events';

import { Lease } from '../serve/lease.js';
import { MemoryStock } from '../serve/memory-stock.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { ThreadHost } from '../pool/thread-host.js';
import type { WarmUp } from '../transfer/prestart/prestart.js';

export class Crew {
  readonly #host: ThreadHost;
  readonly #stock: MemoryStock;
  readonly #controller = new AbortController();
  readonly #forget: () => void;
  #warmingUp: Promise<void> = Promise.resolve();
  #begun = false;

  /** @param memory bytes of slots and page stores */
  constructor(threads: number, memory: number, signal: AbortSignal | undefined) {
    // Each connection listens a few times.
    setMaxListeners(0, this.signal);
    this.#host = new ThreadHost(threads);
    this.#stock = new MemoryStock(memory);
    this.#forget = onAbort(signal, () => this.fail(toRamferryError(signal!.reason, 'ERR_INTERRUPTED')));
  }

  /** Aborted with the first error. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The first error. */
  get error(): RamferryError | undefined {
    const reason: unknown = this.signal.reason;
    return reason instanceof RamferryError ? reason : undefined;
  }

  fail(error: RamferryError): void {
    if (!this.signal.aborted) this.#controller.abort(error);
  }

  /** Lets V8 compile the hot paths before the first connection comes, which ends it. */
  warmUp(run: WarmUp | undefined): void {
    if (run === undefined) return;
    // Memory of these sizes serves no transfer.
    const lease = new Lease(this.#host, new MemoryStock(0));
    this.#warmingUp = run(lease.take(), () => this.#begun || this.signal.aborted)
      .catch(() => undefined)
      .then(() => lease.close());
  }

  /** Threads and memory of one connection. */
  lend(): Lease {
    this.#begun = true;
    return new Lease(this.#host, this.#stock);
  }

  /** Call when all connections have ended. */
  async close(): Promise<void> {
    this.#begun = true;
    this.#forget();
    await this.#warmingUp;
    await this.#host.close();
  }
}
