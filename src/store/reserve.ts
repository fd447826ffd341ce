// Memory for a page store that is touched before the transfer. The first touch of a page is a page fault. On a host that gives its
// guests memory only then, 64 MiB take a tenth of a second: in the middle of a migration, on both sides.
// Takes a size and gives the memory once, to a store of exactly that size. A wrong guess costs only the touched memory.

import { setImmediate as turn } from 'node:timers/promises';

import { MIB } from '../units.js';
import { storeMemory } from './shared.js';

/** Bytes touched between two turns of the event loop: milliseconds at worst. */
const PIECE_BYTES = 2 * MIB;
/** The smallest page size of any host. */
const TOUCH_BYTES = 4096;

export class StoreReserve {
  #memory: SharedArrayBuffer | undefined;
  readonly #bytes: number;

  /** @param bytes of pages; 0 = none */
  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#memory = bytes === 0 ? undefined : storeMemory(bytes);
  }

  /** Touches the memory piece by piece, so that the event loop turns. Ends early when `over` says so, or the memory is taken. */
  async touch(over: () => boolean): Promise<void> {
    if (this.#memory === undefined) return;
    const bytes = new Uint8Array(this.#memory);
    const ended = (): boolean => over() || this.#memory === undefined;
    for (let at = 0; at < bytes.length && !ended(); at += TOUCH_BYTES) {
      bytes[at] = 0;
      if ((at + TOUCH_BYTES) % PIECE_BYTES === 0) await turn();
    }
  }

  /** Memory, all zero, for a store of so many bytes of pages; undefined where the reserve has another size. */
  take(bytes: number): SharedArrayBuffer | undefined {
    const memory = bytes === this.#bytes ? this.#memory : undefined;
    this.#memory = undefined;
    return memory;
  }
}
