// Memory for a page store that was touched while nobody waited. The first touch of a page is a fault, and a host that gives
// its guests memory only then takes a tenth of a second for 64 MiB: in the middle of a migration, on both sides.
// Takes a size, gives the memory once, to whoever needs exactly that much; a wrong guess costs only what it touched.

import { setImmediate as turn } from 'node:timers/promises';

import { MIB } from '../units.js';
import { storeMemory } from './shared.js';

/** Touched at a time: milliseconds at worst. */
const PIECE_BYTES = 2 * MIB;
/** The smallest page that there is. */
const TOUCH_BYTES = 4096;

export class StoreReserve {
  #memory: SharedArrayBuffer | undefined;
  readonly #bytes: number;

  /** @param bytes of pages; 0 = none */
  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#memory = bytes === 0 ? undefined : storeMemory(bytes);
  }

  /** Piece by piece, so that others have their turn; ends early when somebody says so, or the memory is taken. */
  async touch(over: () => boolean): Promise<void> {
    if (this.#memory === undefined) return;
    const bytes = new Uint8Array(this.#memory);
    const ended = (): boolean => over() || this.#memory === undefined;
    for (let at = 0; at < bytes.length && !ended(); at += TOUCH_BYTES) {
      bytes[at] = 0;
      if ((at + TOUCH_BYTES) % PIECE_BYTES === 0) await turn();
    }
  }

  /** Memory of a store of so many bytes of pages, all zero; undefined where there is none of that size. */
  take(bytes: number): SharedArrayBuffer | undefined {
    const memory = bytes === this.#bytes ? this.#memory : undefined;
    this.#memory = undefined;
    return memory;
  }
}
