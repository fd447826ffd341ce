// Bytes of unknown structure: blocks of 4 KiB, aligned to the start of the stream, count as pages without identity, so that
// zero blocks and duplicates are still found. What is left at the end is skeleton.
// OpaqueTail is the same for the rest of a stream whose walk has ended; it does not know why.

import { PAGE_BYTES } from '../page/size.js';
import {
  NO_IDENTITY,
  type Grammar,
  type ScanEnd,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from './grammar.js';
import { isFull } from './room.js';

export interface TailOptions {
  /** Report nothing but skeleton: what comes is known not to be pages (device state). */
  readonly skeleton?: boolean;
  /**
   * Pages are being waited for one at a time: every byte is reported at once, as skeleton (a block may not be waited for),
   * and a flush follows each scan.
   */
  readonly urgent?: boolean;
}

/** The rest of a stream, from the given offset on. */
export class OpaqueTail {
  /** Bytes until the next block starts. */
  #lead: number;
  readonly #blocks: boolean;
  readonly #urgent: boolean;

  /** @param offset bytes of the stream that were consumed before; decides the alignment of the blocks. */
  constructor(offset: number, options: TailOptions = {}) {
    this.#lead = (PAGE_BYTES - (offset % PAGE_BYTES)) % PAGE_BYTES;
    this.#urgent = options.urgent === true;
    this.#blocks = options.skeleton !== true && !this.#urgent;
  }

  /** As {@link Grammar.scan}. */
  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    const length = data.length;
    if (length === 0 || isFull(out)) return 0;
    if (!this.#blocks) {
      out.skeleton(length);
      if (this.#urgent) out.flush();
      return length;
    }
    let at = 0;
    if (this.#lead > 0) {
      at = Math.min(this.#lead, length);
      this.#lead -= at;
      out.skeleton(at);
    }
    const pages = Math.floor((length - at) / PAGE_BYTES);
    if (pages > 0 && !isFull(out)) {
      out.pages(pages, NO_IDENTITY);
      at += pages * PAGE_BYTES;
    }
    if (atEnd && at < length && !isFull(out)) {
      out.skeleton(length - at);
      at = length;
    }
    return at;
  }
}

export class OpaqueGrammar implements Grammar {
  readonly name = 'opaque';
  readonly state: ScanEnd = 'open';
  readonly opaqueBecause = undefined;
  readonly #tail = new OpaqueTail(0);

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    return this.#tail.scan(data, atEnd, out);
  }

  end(): StreamEnd {
    return unseen('a stream of unknown structure does not tell its end');
  }
}
