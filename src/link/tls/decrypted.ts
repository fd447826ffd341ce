// Bytes that were decrypted before a read asked for them, in order. They are copied into one buffer that is reused: Node decrypts each
// record of 16 KiB by itself, and a buffer for each made the garbage collector take a seventh of the receiver's processor time.

import { KIB } from '../../units.js';

/** Bytes of the buffer when it is first needed. */
const FIRST_BYTES = 64 * KIB;

export class DecryptedBytes {
  #buffer = new Uint8Array(0);
  #from = 0;
  #to = 0;

  get length(): number {
    return this.#to - this.#from;
  }

  /** Adds a copy behind the others. */
  append(bytes: Uint8Array): void {
    if (this.#to + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#to);
    this.#to += bytes.length;
  }

  /** Adds a copy in front of the others. */
  unshift(bytes: Uint8Array): void {
    const rest = this.#buffer.slice(this.#from, this.#to);
    this.clear();
    this.append(bytes);
    this.append(rest);
  }

  /** Moves the first bytes into `target`. @returns how many */
  take(target: Uint8Array): number {
    const count = Math.min(target.length, this.length);
    target.set(this.#buffer.subarray(this.#from, this.#from + count));
    this.#from += count;
    if (this.#from === this.#to) this.#from = this.#to = 0;
    return count;
  }

  clear(): void {
    this.#from = this.#to = 0;
  }

  /** Moves the bytes to the front of the buffer, and doubles it until `more` bytes have room. */
  #makeRoom(more: number): void {
    const { length } = this;
    let size = Math.max(FIRST_BYTES, this.#buffer.length);
    while (size < length + more) size *= 2;
    const target = size === this.#buffer.length ? this.#buffer : new Uint8Array(size);
    target.set(this.#buffer.subarray(this.#from, this.#to));
    this.#buffer = target;
    this.#from = 0;
    this.#to = length;
  }
}
