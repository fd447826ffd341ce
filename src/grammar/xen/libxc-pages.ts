// The body of a PAGE_DATA record: a count, that many pfn entries, and one page for each entry with contents.
// Remembers the entries as runs of consecutive pfns until their pages have come; reads no page.
// An invalid body is skeleton from the first invalid field on, and `brokenBecause` says why.

import { PAGE_BYTES } from '../../page/size.js';
import type { SegmentSink } from '../grammar.js';
import { readU32 } from './libxc-format.js';
import type { LibxcRecord } from './libxc-records.js';

/** u32 count, u32 reserved. */
const COUNT_BYTES = 8;
const ENTRY_BYTES = 8;

/** Page types 0xD broken, 0xE allocate only and 0xF invalid have no contents; 0x5 to 0x8 are reserved. */
const FIRST_ABSENT_TYPE = 0xd;
const FIRST_RESERVED_TYPE = 0x5;
const LAST_RESERVED_TYPE = 0x8;

/** The batch size of libxc's saver (xg_sr_common.h, MAX_BATCH_SIZE): initial capacity for runs. */
const USUAL_RUNS = 1024;

type Stage = 'count' | 'entries' | 'pages' | 'broken';

export class PageDataBody {
  #stage: Stage = 'count';
  #brokenBecause: string | undefined;
  #bigEndian = false;
  #length = 0;
  #entriesLeft = 0;
  #pages = 0;
  #pagesPromised = 0;

  // An entry with contents is accepted only while the body has room for its page (8 + 4096 bytes). So a record of 128 MiB
  // holds at most 32,703 runs, and these arrays never exceed 512 KiB, for any count.
  #firsts = new Float64Array(USUAL_RUNS);
  #counts = new Uint32Array(USUAL_RUNS);
  #runs = 0;
  #run = 0;

  /** Why this record, or one before it, is invalid. */
  get brokenBecause(): string | undefined {
    return this.#brokenBecause;
  }

  begin(record: LibxcRecord): void {
    this.#bigEndian = record.bigEndian;
    this.#length = record.length;
    this.#stage = 'count';
    this.#pages = 0;
    this.#runs = 0;
    this.#run = 0;
    // Checked here, because an empty body never reaches the count.
    if (record.length < COUNT_BYTES) this.#break(`PAGE_DATA of ${record.length} bytes has no count`);
  }

  /** The contract of RecordHandler.body, reporting to `out`. */
  scan(data: Uint8Array, start: number, end: number, atEnd: boolean, out: SegmentSink): number {
    let at = start;
    while (at < end && !out.full) {
      let taken = 0;
      if (this.#stage === 'pages') taken = this.#takePage(at, end, out);
      else if (this.#stage === 'entries') taken = this.#takeEntries(data, at, end, out);
      else if (this.#stage === 'count') taken = this.#takeCount(data, at, end, out);
      if (taken === 0) {
        // Broken, or cut off by the end of the input: no further item can become complete.
        if (this.#stage !== 'broken' && !atEnd) break;
        out.skeleton(end - at);
        return end - start;
      }
      at += taken;
    }
    return at - start;
  }

  #break(because: string): 0 {
    this.#stage = 'broken';
    this.#brokenBecause = because;
    return 0;
  }

  #takeCount(data: Uint8Array, at: number, end: number, out: SegmentSink): number {
    if (end - at < COUNT_BYTES) return 0;
    const count = readU32(data, at, this.#bigEndian);
    const room = this.#length - COUNT_BYTES - count * ENTRY_BYTES;
    if (count === 0 || room < 0) {
      return this.#break(`PAGE_DATA of ${this.#length} bytes claims ${count} entries`);
    }
    this.#entriesLeft = count;
    this.#pagesPromised = room / PAGE_BYTES;
    this.#stage = 'entries';
    out.skeleton(COUNT_BYTES);
    return COUNT_BYTES;
  }

  #takeEntries(data: Uint8Array, at: number, end: number, out: SegmentSink): number {
    const offered = Math.min(this.#entriesLeft, Math.floor((end - at) / ENTRY_BYTES));
    if (offered === 0) return 0;
    const believed = this.#readEntries(data, at, offered);
    if (believed > 0) out.words(believed, this.#bigEndian);
    this.#entriesLeft -= believed;
    if (this.#entriesLeft === 0) {
      if (this.#pages !== this.#pagesPromised) {
        this.#break(`PAGE_DATA of ${this.#length} bytes lists ${this.#pages} pages`);
      } else {
        this.#stage = 'pages';
      }
    }
    return believed * ENTRY_BYTES;
  }

  /** Remembers n entries at data[at]. @returns how many of them are valid */
  #readEntries(data: Uint8Array, at: number, n: number): number {
    const view = new DataView(data.buffer, data.byteOffset + at, n * ENTRY_BYTES);
    const little = !this.#bigEndian;
    const highAt = little ? 4 : 0;
    for (let i = 0; i < n; i += 1) {
      const high = view.getUint32(i * ENTRY_BYTES + highAt, little);
      const type = high >>> 28;
      if (type >= FIRST_ABSENT_TYPE) continue;
      if (type >= FIRST_RESERVED_TYPE && type <= LAST_RESERVED_TYPE) {
        this.#break(`PAGE_DATA entry of reserved page type ${type}`);
        return i;
      }
      if (this.#pages + 1 > this.#pagesPromised) {
        this.#break(`PAGE_DATA of ${this.#length} bytes lists more pages than it holds`);
        return i;
      }
      this.#pages += 1;
      this.#remember((high & 0xfffff) * 0x1_0000_0000 + view.getUint32(i * ENTRY_BYTES + 4 - highAt, little));
    }
    return n;
  }

  #remember(pfn: number): void {
    const last = this.#runs - 1;
    if (last >= 0 && this.#firsts[last]! + this.#counts[last]! === pfn) {
      this.#counts[last]! += 1;
      return;
    }
    if (this.#runs === this.#firsts.length) this.#grow();
    this.#firsts[this.#runs] = pfn;
    this.#counts[this.#runs] = 1;
    this.#runs += 1;
  }

  #grow(): void {
    const firsts = new Float64Array(this.#firsts.length * 2);
    const counts = new Uint32Array(this.#counts.length * 2);
    firsts.set(this.#firsts);
    counts.set(this.#counts);
    this.#firsts = firsts;
    this.#counts = counts;
  }

  /** Reports the available whole pages of the current run, without reading them. */
  #takePage(at: number, end: number, out: SegmentSink): number {
    const first = this.#firsts[this.#run]!;
    const left = this.#counts[this.#run]!;
    const n = Math.min(left, Math.floor((end - at) / PAGE_BYTES));
    if (n === 0) return 0;
    out.pages(n, first);
    if (n === left) {
      this.#run += 1;
    } else {
      this.#firsts[this.#run] = first + n;
      this.#counts[this.#run] = left - n;
    }
    return n * PAGE_BYTES;
  }
}
