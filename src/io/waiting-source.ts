// A source that counts how long its reader waits for it. Takes any source, promises the same bytes; knows nothing of
// why nothing came.

import type { ByteSource } from './bytes.js';

/** How long a source has been waited for, so far. */
export interface Waiting {
  /** Microseconds on the reader's clock, which begins anywhere. */
  readonly clock: number;
  /** Microseconds of these in which a read was under way that had nothing to take. */
  readonly waited: number;
}

export class WaitingSource implements ByteSource {
  readonly label: string;
  readonly patience?: (milliseconds: number) => void;
  readonly #source: ByteSource;
  /** Milliseconds of the reads that have ended. */
  #waited = 0;
  #since: number | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
    this.label = source.label;
    if (source.patience !== undefined) this.patience = (milliseconds) => source.patience!(milliseconds);
  }

  /** Up to now, a read that still waits included. */
  get waiting(): Waiting {
    const now = performance.now();
    const pending = this.#since === undefined ? 0 : now - this.#since;
    return { clock: now * 1e3, waited: (this.#waited + pending) * 1e3 };
  }

  async read(target: Uint8Array): Promise<number> {
    const began = performance.now();
    this.#since = began;
    try {
      return await this.#source.read(target);
    } finally {
      this.#since = undefined;
      this.#waited += performance.now() - began;
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
