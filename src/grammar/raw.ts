// A RAM image: page after page from address 0. Each aligned block of 4096 bytes is a page whose identity is its number.
// A tail shorter than a page is skeleton.

import {
  PAGE_SIZE,
  type Grammar,
  type ScanEnd,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from './grammar.js';
import { isFull } from './room.js';

export class RawGrammar implements Grammar {
  readonly name = 'raw';
  readonly state: ScanEnd = 'open';
  readonly opaqueBecause = undefined;
  private next = 0;

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    if (isFull(out)) return 0;
    const pages = Math.floor(data.length / PAGE_SIZE);
    const whole = pages * PAGE_SIZE;
    if (pages > 0) {
      out.pages(pages, this.next);
      this.next += pages;
    }
    if (!atEnd || whole === data.length || isFull(out)) return whole;
    out.skeleton(data.length - whole);
    return data.length;
  }

  /** Of a file its size is known: the reader of the file says so. */
  end(): StreamEnd {
    return unseen('a RAM image that does not come from a file does not tell its end');
  }
}
