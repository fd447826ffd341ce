// The bytes that one chunk leaves to the next, in memory that is used again. A flush may leave nearly a whole chunk behind, many times in
// a row: new memory for each would cost more than the copies.

import { Buffer } from 'node:buffer';

export class CarriedBytes {
  #memory = Buffer.alloc(0);

  /** A copy of `bytes`; valid until the next call. */
  copy(bytes: Uint8Array): Uint8Array {
    if (this.#memory.length < bytes.length) this.#memory = Buffer.allocUnsafeSlow(bytes.length);
    this.#memory.set(bytes);
    return this.#memory.subarray(0, bytes.length);
  }
}
