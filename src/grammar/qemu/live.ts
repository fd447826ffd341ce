// Walks the data of one section beside ram (live-formats.ts). Whole blocks of 4096 bytes of a device's data are pages without
// identity, so that zero blocks and duplicates are still found; all else is skeleton.
// Where the data differs from what QEMU writes, the walk stops before the item and `lostBecause` says why.

import { PAGE_BYTES } from '../../page/size.js';
import { NO_IDENTITY, type SegmentSink } from '../grammar.js';
import { isFull } from '../room.js';
import { isPlausibleLength, type LiveKind } from './live-formats.js';

export class LiveWalk {
  /** The section's data has ended. */
  ended = false;
  lostBecause: string | undefined;

  readonly #kind: LiveKind;
  #first = true;
  /** The current item is the section's last one. */
  #ends = false;
  #left = 0;

  constructor(kind: LiveKind) {
    this.#kind = kind;
  }

  /** Consumes complete items from `at` on. @returns where it stopped: at an incomplete item, or where the section or walk ended */
  walk(data: Uint8Array, at: number, out: SegmentSink): number {
    while (at < data.length && !this.ended && this.lostBecause === undefined && !isFull(out)) {
      const n = this.#left > 0 ? this.#bytes(data.length - at, out) : this.#item(data, at, out);
      if (n === 0) break;
      at += n;
    }
    return at;
  }

  #item(data: Uint8Array, at: number, out: SegmentSink): number {
    const item = (this.#first ? this.#kind.first : this.#kind.next)(data, at);
    if (item === undefined) return 0;
    if (typeof item === 'string') {
      this.lostBecause = item;
      return 0;
    }
    const { head, bytes = 0, ends = false } = item;
    if (!isPlausibleLength(bytes)) {
      this.lostBecause = 'a length that no section has';
      return 0;
    }
    this.#first = false;
    this.#ends = ends;
    this.#left = bytes;
    this.ended = ends && bytes === 0;
    out.skeleton(head);
    return head;
  }

  #bytes(available: number, out: SegmentSink): number {
    let n = Math.min(this.#left, available);
    if (this.#left >= PAGE_BYTES) {
      n -= n % PAGE_BYTES;
      if (n === 0) return 0;
      out.pages(n / PAGE_BYTES, NO_IDENTITY);
    } else out.skeleton(n);
    this.#left -= n;
    this.ended = this.#ends && this.#left === 0;
    return n;
  }
}
