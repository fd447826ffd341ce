// A ByteSource over a generator of pieces: reads of any size pull the next piece on demand.
// So the engine's back-pressure reaches the generator.

import type { RamferryError } from '../../../errors.js';
import type { ByteSource } from '../../../io/bytes.js';
import { closedError } from '../../../io/system-error.js';

export class PieceSource implements ByteSource {
  readonly label: string;
  readonly #pieces: AsyncGenerator<Uint8Array, void>;
  #piece: Uint8Array = new Uint8Array(0);
  readonly #closed: Promise<never>;
  #close: (error: RamferryError) => void = () => undefined;

  constructor(label: string, pieces: AsyncGenerator<Uint8Array, void>) {
    this.label = label;
    this.#pieces = pieces;
    this.#closed = new Promise((_, reject) => (this.#close = reject));
    this.#closed.catch(() => undefined);
  }

  async read(target: Uint8Array): Promise<number> {
    while (this.#piece.length === 0) {
      const next = await Promise.race([this.#pieces.next(), this.#closed]);
      if (next.done === true) return 0;
      this.#piece = next.value;
    }
    const count = Math.min(target.length, this.#piece.length);
    target.set(this.#piece.subarray(0, count));
    this.#piece = this.#piece.subarray(count);
    return count;
  }

  close(): Promise<void> {
    this.#close(closedError(this.label));
    return Promise.resolve();
  }
}
