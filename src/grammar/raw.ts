// A RAM image: page after page from address 0. Each aligned block of 4096 bytes is a page whose identity is its number.
// A tail shorter than a page is skeleton.

import { PAGE_BYTES } from '../page/size.js';
import { type Grammar, type ScanEnd, type SegmentSink, type StreamEnd, unseen } from './grammar.js';
import { isFull } from './room.js';

export class RawGrammar implements Grammar {
  readonly name = 'raw';
  readonly state: ScanEnd = 'open';
  readonly opaqueBecause = undefined;
  /** A reader of an image needs all of it: the final part is its last byte. */
  finalFrom = Infinity;
  #next = 0;
  #offset = 0;

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    if (isFull(out)) return 0;
    const pages = Math.floor(data.length / PAGE_BYTES);
    const whole = pages * PAGE_BYTES;
    if (pages > 0) {
      out.pages(pages, this.#next);
      this.#next += pages;
    }
    this.#offset += whole;
    if (!atEnd || isFull(out)) return whole;
    const rest = data.length - whole;
    if (rest > 0) out.skeleton(rest);
    this.#offset += rest;
    this.finalFrom = Math.max(0, this.#offset - 1);
    return data.length;
  }

  /** Of a file its size is known: the reader of the file says so. */
  end(): StreamEnd {
    return unseen('a RAM image that does not come from a file does not tell its end');
  }
}
