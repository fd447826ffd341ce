// `WaitingSource`: measures how long the reader of a source waits. Takes any source and gives the same bytes.

import { monotonicMs } from '../os/time/clock.js';
import type { ByteSource } from './bytes.js';

/** How long the reader has waited so far. */
export interface Waiting {
  /** Microseconds on the reader's clock, from an arbitrary origin. */
  readonly clock: number;
  /** Microseconds of these during which a read was pending. */
  readonly waited: number;
}

export class WaitingSource implements ByteSource {
  readonly label: string;
  readonly patience?: (milliseconds: number) => void;
  readonly #source: ByteSource;
  /** Milliseconds of the completed reads. */
  #waited = 0;
  #since: number | undefined;

  constructor(source: ByteSource) {
    this.#source = source;
    this.label = source.label;
    if (source.patience !== undefined) this.patience = (milliseconds) => source.patience!(milliseconds);
  }

  /** The figures up to now, a pending read included. */
  get waiting(): Waiting {
    const now = monotonicMs();
    const pending = this.#since === undefined ? 0 : now - this.#since;
    return { clock: now * 1e3, waited: (this.#waited + pending) * 1e3 };
  }

  async read(target: Uint8Array): Promise<number> {
    const began = monotonicMs();
    this.#since = began;
    try {
      return await this.#source.read(target);
    } finally {
      this.#since = undefined;
      this.#waited += monotonicMs() - began;
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
