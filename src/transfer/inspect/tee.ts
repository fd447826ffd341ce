// One source for two readers. The front reads it; the back sees every byte that the front has read before the front continues.
// Buffers nothing: both use the front's memory. A reader that stops early no longer takes part.

import type { ByteSource } from '../../io/bytes.js';
import { Signal } from '../../os/signal.js';

export class Tee {
  readonly front: ByteSource;
  readonly back: ByteSource;
  /** Read by the front and not yet by the back. */
  #shown: Uint8Array = new Uint8Array(0);
  #ended = false;
  #left = false;
  readonly #change = new Signal();
  readonly #seen = new Signal();

  constructor(source: ByteSource) {
    this.front = {
      label: source.label,
      read: async (target) => {
        const got = await source.read(target);
        if (got === 0) this.end();
        else await this.#show(target.subarray(0, got));
        return got;
      },
      patience: (milliseconds) => source.patience?.(milliseconds),
      close: () => source.close(),
    };
    this.back = {
      label: source.label,
      read: (target) => this.#look(target),
      close: () => {
        this.leave();
        return Promise.resolve();
      },
    };
  }

  /** Called when the front stops reading: the back's stream ends. */
  end(): void {
    this.#ended = true;
    this.#change.notify();
  }

  /** Called when the back stops reading. */
  leave(): void {
    this.#left = true;
    this.#seen.notify();
  }

  async #show(bytes: Uint8Array): Promise<void> {
    if (this.#left) return;
    const seen = this.#seen.wait();
    this.#shown = bytes;
    this.#change.notify();
    await seen;
  }

  async #look(target: Uint8Array): Promise<number> {
    while (this.#shown.length === 0) {
      if (this.#ended) return 0;
      await this.#change.wait();
    }
    const n = Math.min(target.length, this.#shown.length);
    target.set(this.#shown.subarray(0, n));
    this.#shown = this.#shown.subarray(n);
    if (this.#shown.length === 0) this.#seen.notify();
    return n;
  }
}
