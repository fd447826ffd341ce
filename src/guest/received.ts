// The result of a simulated destination's readers: RAM, trailer and counts. Also the errors that both readers raise.

import { RamferryError, type ErrorCode } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { GuestRam } from './ram.js';
import type { Trailer } from './stream/trailer.js';

export interface ReceivedGuest {
  readonly ram: GuestRam;
  /** Hash and size of the source's RAM, if the stream carries them. */
  readonly trailer: Trailer | undefined;
  /** Pages received, pages sent again included. */
  readonly pages: number;
  /** Passes over memory. A page number that does not ascend begins a new pass. */
  readonly passes: number;
}

/** Counts pages and passes over memory. */
export class PageCounter {
  pages = 0;
  passes = 0;
  #last = Infinity;

  add(page: number): void {
    this.pages++;
    if (page <= this.#last) this.passes++;
    this.#last = page;
  }
}

export function damaged(code: ErrorCode, message: string, offset: number, record?: number): RamferryError {
  return new RamferryError(code, message, record === undefined ? { offset } : { offset, record });
}

/** Pages in a limit of bytes. */
export function limitPages(limitBytes: number): number {
  return Math.floor(limitBytes / PAGE_BYTES);
}
