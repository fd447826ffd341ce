// The grammar of the stream of `ramferry migrate` (memory-format.ts). A page's identity counts over all regions, so that the
// page store finds it again in later rounds. The ends of RAM and of the stream are flushed: the destination waits for them.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import {
  type Grammar,
  incomplete,
  type ScanEnd,
  SEEN,
  type SegmentSink,
  type StreamEnd,
  unseen,
} from './grammar.js';
import {
  firstPages,
  MEMORY_HEADER_BYTES,
  MEMORY_RECORD,
  MEMORY_RECORD_BYTES,
  readMemoryHeader,
  readMemoryRecord,
} from './memory-format.js';
import { isFull } from './room.js';

type Expecting =
  | { readonly what: 'header' | 'record' }
  | { readonly what: 'sizes'; readonly left: number }
  | { readonly what: 'numbers'; readonly region: number; readonly left: number }
  | { readonly what: 'pages'; readonly at: number }
  | { readonly what: 'state'; readonly left: number }
  | { readonly what: 'rest' };

export class MemoryGrammar implements Grammar {
  readonly name = 'memory';
  state: ScanEnd = 'open';
  opaqueBecause: string | undefined;
  /** True while the guest is stopped for its last round; set by the code that stops it. */
  downtime = false;
  #expecting: Expecting = { what: 'header' };
  readonly #sizes: number[] = [];
  #firstPages: number[] = [];
  /** Identities of the record's pages. */
  #identities: number[] = [];

  scan(data: Uint8Array, atEnd: boolean, out: SegmentSink): number {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    let at = 0;
    while (at < bytes.length && this.state === 'open' && !isFull(out)) {
      const used = this.#item(bytes.subarray(at), out);
      if (used === 0) break;
      at += used;
    }
    if (atEnd && at < bytes.length && !isFull(out)) {
      out.skeleton(bytes.length - at);
      return bytes.length;
    }
    return at;
  }

  end(): StreamEnd {
    if (this.state === 'done') return SEEN;
    if (this.opaqueBecause !== undefined) return unseen(this.opaqueBecause);
    return incomplete('the END record did not come');
  }

  /** Consumes one item, or its available part. @returns 0 where too few bytes are available */
  #item(bytes: Buffer, out: SegmentSink): number {
    const expecting = this.#expecting;
    switch (expecting.what) {
      case 'header':
        return this.#header(bytes, out);
      case 'sizes':
        return this.#size(bytes, expecting.left, out);
      case 'record':
        return this.#record(bytes, out);
      case 'numbers':
        return this.#numbers(bytes, expecting.region, expecting.left, out);
      case 'pages':
        return this.#pages(bytes, expecting.at, out);
      case 'state': {
        const used = Math.min(bytes.length, expecting.left);
        out.skeleton(used);
        const left = expecting.left - used;
        this.#expecting = left === 0 ? { what: 'record' } : { what: 'state', left };
        return used;
      }
      case 'rest':
        out.skeleton(bytes.length);
        return bytes.length;
    }
  }

  #header(bytes: Buffer, out: SegmentSink): number {
    if (bytes.length < MEMORY_HEADER_BYTES) return 0;
    out.skeleton(MEMORY_HEADER_BYTES);
    try {
      this.#expecting = { what: 'sizes', left: readMemoryHeader(bytes).regions };
    } catch (thrown) {
      if (!(thrown instanceof RamferryError)) throw thrown;
      this.#opaque(thrown.message);
    }
    return MEMORY_HEADER_BYTES;
  }

  #size(bytes: Buffer, left: number, out: SegmentSink): number {
    if (bytes.length < 8) return 0;
    out.skeleton(8);
    this.#sizes.push(Number(bytes.readBigUInt64LE()));
    this.#expecting = left === 1 ? { what: 'record' } : { what: 'sizes', left: left - 1 };
    if (left === 1) this.#firstPages = firstPages(this.#sizes);
    return 8;
  }

  #record(bytes: Buffer, out: SegmentSink): number {
    if (bytes.length < MEMORY_RECORD_BYTES) return 0;
    out.skeleton(MEMORY_RECORD_BYTES);
    const record = readMemoryRecord(bytes);
    if (record === undefined || record.region >= this.#sizes.length) {
      this.#opaque('unknown record');
      return MEMORY_RECORD_BYTES;
    }
    const { type, region, count } = record;
    if (type === MEMORY_RECORD.ramEnd || type === MEMORY_RECORD.end) out.flush();
    if (type === MEMORY_RECORD.end) this.state = 'done';
    if (count > 0 && type === MEMORY_RECORD.state) this.#expecting = { what: 'state', left: count };
    if (count > 0 && type === MEMORY_RECORD.pages) {
      this.#identities = [];
      this.#expecting = { what: 'numbers', region, left: count };
    }
    return MEMORY_RECORD_BYTES;
  }

  #numbers(bytes: Buffer, region: number, left: number, out: SegmentSink): number {
    const count = Math.min(left, Math.floor(bytes.length / 8));
    if (count === 0) return 0;
    out.words(count, false);
    for (let index = 0; index < count; index++) {
      this.#identities.push(this.#firstPages[region]! + Number(bytes.readBigUInt64LE(index * 8)));
    }
    this.#expecting =
      count === left ? { what: 'pages', at: 0 } : { what: 'numbers', region, left: left - count };
    return count * 8;
  }

  /** Reports the longest run of pages that are also adjacent in memory. */
  #pages(bytes: Buffer, at: number, out: SegmentSink): number {
    const most = Math.min(this.#identities.length - at, Math.floor(bytes.length / PAGE_BYTES));
    if (most === 0) return 0;
    const first = this.#identities[at]!;
    let count = 1;
    while (count < most && this.#identities[at + count] === first + count) count++;
    out.pages(count, first);
    const next = at + count;
    this.#expecting = next === this.#identities.length ? { what: 'record' } : { what: 'pages', at: next };
    return count * PAGE_BYTES;
  }

  #opaque(because: string): void {
    this.opaqueBecause = because;
    this.#expecting = { what: 'rest' };
  }
}
