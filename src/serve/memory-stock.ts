// Shared memory that serves one transfer after another: its first touch is slow on hosts that hand out memory only then. Memory that
// comes back is overwritten before any other transfer gets it: no guest's page is ever readable by the next one.

import { Buffer } from 'node:buffer';

import { PageStore } from '../chunk/page-store.js';
import { zeroBytes } from '../page/zero.js';
import { storeMemory } from '../store/shared.js';

export class MemoryStock {
  readonly #limit: number;
  /** Overwritten memory, the last returned last. */
  readonly #idle: SharedArrayBuffer[] = [];
  #lent = 0;

  /** @param limit bytes that are lent and kept together; what is lent counts in any case */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that transfers use now. */
  get lent(): number {
    return this.#lent;
  }

  /** Bytes that wait for the next transfer. */
  get idle(): number {
    return this.#idle.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Memory for slots, all zero. */
  takeArena(bytes: number): SharedArrayBuffer {
    return this.#take(bytes) ?? this.#count(new SharedArrayBuffer(bytes));
  }

  /** Memory for a page store, all zero. @param memoryBytes of the pages and their marks */
  takeStore(bytes: number, memoryBytes: number): SharedArrayBuffer {
    return this.#take(memoryBytes) ?? this.#count(storeMemory(bytes));
  }

  /** Takes back memory that no thread touches any more. */
  giveArena(memory: SharedArrayBuffer): void {
    zeroBytes(Buffer.from(memory), 0, memory.byteLength);
    this.#give(memory);
  }

  /** @param isWhole every page that was written is marked: no thread died while it wrote one */
  giveStore(memory: SharedArrayBuffer, isWhole: boolean): void {
    if (isWhole) new PageStore(memory).wipe();
    else zeroBytes(Buffer.from(memory), 0, memory.byteLength);
    this.#give(memory);
  }

  #take(bytes: number): SharedArrayBuffer | undefined {
    const at = this.#idle.findLastIndex(({ byteLength }) => byteLength === bytes);
    if (at >= 0) return this.#count(this.#idle.splice(at, 1)[0]!);
    // Memory of other sizes makes room, the oldest first.
    while (this.#idle.length > 0 && this.#lent + this.idle + bytes > this.#limit) this.#idle.shift();
    return undefined;
  }

  #count(memory: SharedArrayBuffer): SharedArrayBuffer {
    this.#lent += memory.byteLength;
    return memory;
  }

  #give(memory: SharedArrayBuffer): void {
    this.#lent -= memory.byteLength;
    this.#idle.push(memory);
  }
}
