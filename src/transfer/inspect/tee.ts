// Duplicates one source for two readers. The front reads the source. The back gets every byte before the front continues.
// Buffers nothing: both readers use the front's memory. When one reader stops, the other continues alone.

import type { ByteSource } from '../../io/bytes.js';
import { Signal } from '../../os/signal.js';

export class Tee {
  readonly front: ByteSource;
  readonly back: ByteSource;
  /** Bytes that the front has read and the back has not. */
  #unread: Uint8Array = new Uint8Array(0);
  #ended = false;
  #backStopped = false;
  readonly #change = new Signal();
  readonly #consumed = new Signal();

  constructor(source: ByteSource) {
    this.front = {
      label: source.label,
      read: async (target) => {
        const got = await source.read(target);
        if (got === 0) this.end();
        else await this.#offerToBack(target.subarray(0, got));
        return got;
      },
      patience: (milliseconds) => source.patience?.(milliseconds),
      close: () => source.close(),
    };
    this.back = {
      label: source.label,
      read: (target) => this.#readBack(target),
      close: () => {
        this.leave();
        return Promise.resolve();
      },
    };
  }

  /** Ends the back's stream. Called when the front stops reading. */
  end(): void {
    this.#ended = true;
    this.#change.notify();
  }

  /** Lets the front continue without the back. Called when the back stops reading. */
  leave(): void {
    this.#backStopped = true;
    this.#consumed.notify();
  }

  async #offerToBack(bytes: Uint8Array): Promise<void> {
    if (this.#backStopped) return;
    const seen = this.#consumed.wait();
    this.#unread = bytes;
    this.#change.notify();
    await seen;
  }

  async #readBack(target: Uint8Array): Promise<number> {
    while (this.#unread.length === 0) {
      if (this.#ended) return 0;
      await this.#change.wait();
    }
    const n = Math.min(target.length, this.#unread.length);
    target.set(this.#unread.subarray(0, n));
    this.#unread = this.#unread.subarray(n);
    if (this.#unread.length === 0) this.#consumed.notify();
    return n;
  }
}
