// What a simulated destination has after it read a stream, and the errors that both readers raise.

import { RamferryError, type ErrorCode } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { GuestRam } from './ram.js';
import type { Trailer } from './stream/trailer.js';

export interface ReceivedGuest {
  readonly ram: GuestRam;
  /** What the source said its RAM was, if the stream carries it. */
  readonly trailer: Trailer | undefined;
  /** Pages that came, those sent again included. */
  readonly pages: number;
  /** Passes over memory: how often page numbers began to ascend anew. */
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
