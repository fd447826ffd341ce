// What one transfer of a server is lent: the shared threads, and memory from the stock. Both go back when the transfer has ended,
// however it ended.

import { storeMemoryBytes } from '../chunk/page-store.js';
import type { OpenOptions } from '../link/options.js';
import { PAGE_BYTES } from '../page/size.js';
import type { ThreadHost } from '../pool/thread-host.js';
import type { Attachment, LeasedThreads, Workers } from '../pool/worker-pool.js';
import type { TransferParts } from '../transfer/prestart/prestart.js';
import type { MemoryStock } from './memory-stock.js';

export class Lease implements TransferParts {
  readonly #host: ThreadHost;
  readonly #stock: MemoryStock;
  readonly #workers: Workers[] = [];
  readonly #arenas: SharedArrayBuffer[] = [];
  readonly #stores: SharedArrayBuffer[] = [];
  #hasFailed = false;

  constructor(host: ThreadHost, stock: MemoryStock) {
    this.#host = host;
    this.#stock = stock;
  }

  /** The threads run already. */
  whileListening(options: OpenOptions): OpenOptions {
    return options;
  }

  cancelWarmUp(): void {
    // Deliberately empty: the warm-up was the server's.
  }

  take(): LeasedThreads {
    return {
      bell: this.#host.bell,
      arena: (bytes) => {
        const memory = this.#stock.takeArena(bytes);
        this.#arenas.push(memory);
        return memory;
      },
      attach: (transfer) => this.#attach(transfer),
    };
  }

  takeStore(bytes: number): SharedArrayBuffer {
    const memory = this.#stock.takeStore(bytes, storeMemoryBytes(bytes / PAGE_BYTES));
    this.#stores.push(memory);
    return memory;
  }

  /** Gives everything back. Waits until no thread touches the memory. Never rejects. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((workers) => workers.close()));
    for (const memory of this.#arenas.splice(0)) this.#stock.giveArena(memory);
    for (const memory of this.#stores.splice(0)) this.#stock.giveStore(memory, !this.#hasFailed);
  }

  #attach(transfer: Attachment): Workers {
    const workers = this.#host.attach({
      ...transfer,
      onFailure: (error) => {
        this.#hasFailed = true;
        transfer.onFailure(error);
      },
    });
    this.#workers.push(workers);
    return workers;
  }
}
