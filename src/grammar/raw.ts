// The grammar of a RAM image: consecutive pages from address 0. Each aligned block of 4096 bytes is a page, and its identity is
// its number. A tail shorter than a page is skeleton.

import { PAGE_BYTES } from '../page/size.js';
import { type Grammar, type ScanEnd, type SegmentSink, type StreamEnd, unseen } from './grammar.js';
import { isFull } from './room.js';

export class RawGrammar implements Grammar {
  readonly name = 'raw';
  readonly state: ScanEnd = 'open';
  readonly opaqueBecause = undefined;
  /** A reader needs the complete image: the final part is its last byte. */
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

  /** The reader of a regular file knows the end by the file's size; this grammar does not. */
  end(): StreamEnd {
    return unseen('a RAM image that does not come from a file has no mark at its end');
  }
}
