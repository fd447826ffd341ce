// `Filler`: fills the segment table of each slot from a grammar's reports, and decides where chunks are cut. Takes the calls of a
// SegmentSink in stream order. Promises the same cuts for the same stream, for any split into reads. It moves no bytes: the feeder
// moves them by the cuts.

import { MAX_SEGMENTS, SEGMENT } from '../../chunk/segments.js';
import { NO_IDENTITY, type SegmentSink } from '../../grammar/grammar.js';
import { PAGE_BYTES } from '../../page/size.js';
import { PageRuns } from '../../store/page-runs.js';
import { type PageTally, tallyPages } from '../statistics/counts.js';
import type { RoundCounter } from '../statistics/rounds.js';

/** The end of a chunk, and what the chunk holds. */
export interface Cut {
  /** Bytes of the slot's input that belong to this chunk. */
  readonly length: number;
  readonly segments: number;
  /** The chunk holds page data, not other records: see SegmentSink.pageData. */
  readonly pageData: boolean;
  /** The chunk holds bytes of unknown structure, to the end of the input: see SegmentSink.rest. */
  readonly rest?: boolean;
  /** A totals record follows the chunk. */
  readonly totals: boolean;
  /** The chunk ends with this header of a libxc stream. */
  readonly header?: 'image' | 'domain';
  /** The identities of its pages in order. Valid until the next chunk begins; absent without a page store. */
  readonly runs?: PageRuns;
}

/** A report that came after the cut; it belongs to the next chunk. */
type LateReport =
  | readonly [what: 'bytes', kind: number, count: number, identity: number]
  | readonly ['region', Region]
  | readonly ['header', 'image' | 'domain']
  | readonly ['flush' | 'totals'];

/** `pages`: page data. `rest`: bytes of unknown structure. `other`: records that method `xenguest` leaves untouched. */
type Region = 'other' | 'pages' | 'rest';

function bytesOf(kind: number): number {
  if (kind === SEGMENT.pages) return PAGE_BYTES;
  return kind === SEGMENT.skeleton ? 1 : 8;
}

export class Filler implements SegmentSink {
  #table: Int32Array = new Int32Array(0);
  #entries = 0;
  #length = 0;
  #region: Region = 'other';
  #regionOfChunk: Region = 'other';
  #cut: Cut | undefined;
  #late: LateReport[] = [];
  /** Bytes of the next reported items that a flush already sent as skeleton (see leftAlready). */
  #flushedAhead = 0;
  readonly #regions: boolean;
  readonly #rounds: RoundCounter | undefined;
  readonly #runs: PageRuns | undefined;
  /** The pages so far. */
  readonly tally: PageTally = { identified: 0, anonymous: 0 };

  /**
   * @param regions cut where page data and other records meet (method `xenguest`)
   * @param rounds counts the pages and checkpoints
   * @param maxPages most pages of a chunk, where their identities are needed; 0 = they are not needed
   */
  constructor(regions: boolean, rounds?: RoundCounter, maxPages = 0) {
    this.#regions = regions;
    this.#rounds = rounds;
    this.#runs = maxPages === 0 ? undefined : new PageRuns(maxPages);
  }

  /** Starts a chunk in a slot with this segment table, and repeats the reports that came after the last cut. */
  begin(table: Int32Array): void {
    this.#table = table;
    this.#entries = 0;
    this.#length = 0;
    this.#runs?.clear();
    this.#cut = undefined;
    const late = this.#late;
    this.#late = [];
    for (const call of late) {
      if (call[0] === 'bytes') this.#add(call[1], call[2], call[3]);
      else if (call[0] === 'region') this.#enter(call[1]);
      else if (call[0] === 'header') this.header(call[1]);
      else if (call[0] === 'flush') this.flush();
      else this.totals();
    }
  }

  /** Bytes of this chunk so far. */
  get length(): number {
    return this.#length;
  }

  /** Set once the chunk is complete. */
  get cut(): Cut | undefined {
    return this.#cut;
  }

  /** Ends the chunk here, because the slot is full, the input has ended, or a flush is due. */
  cutHere(): Cut {
    this.#cut ??= this.#describe(false);
    return this.#cut;
  }

  /**
   * Tells the filler that a flush sent the next `bytes` bytes as skeleton before the grammar recognised them. The filler leaves them out
   * when the grammar reports them.
   */
  leftAlready(bytes: number): void {
    this.#flushedAhead = bytes;
  }

  /**
   * Adds the next `bytes` bytes, which the grammar has not recognised, to this chunk as skeleton (see leftAlready). Does nothing where
   * the segment table is full.
   */
  incomplete(bytes: number): void {
    const full = this.#entries === MAX_SEGMENTS && this.#table[(MAX_SEGMENTS - 1) * 2] !== SEGMENT.skeleton;
    if (!full) this.#add(SEGMENT.skeleton, bytes);
  }

  get full(): boolean {
    return this.#cut !== undefined;
  }

  /** Unrecognised bytes may be sent with this chunk, because no record that must stay untouched can begin in them. */
  get mayTakeIncomplete(): boolean {
    return !this.#regions || this.#region === 'rest';
  }

  skeleton(n: number): void {
    this.#report(SEGMENT.skeleton, n);
  }

  words(n: number, bigEndian: boolean): void {
    this.#report(bigEndian ? SEGMENT.wordsBE : SEGMENT.wordsLE, n);
  }

  pages(n: number, identity: number): void {
    this.#rounds?.pages(n, identity);
    tallyPages(this.tally, n, identity);
    this.#report(SEGMENT.pages, n, identity);
  }

  pageData(inside: boolean): void {
    this.#enter(inside ? 'pages' : 'other');
  }

  rest(): void {
    this.#enter('rest');
  }

  #enter(region: Region): void {
    if (this.#cut !== undefined) this.#late.push(['region', region]);
    else this.#region = region;
  }

  header(what: 'image' | 'domain'): void {
    if (!this.#regions) return;
    if (this.#cut !== undefined) this.#late.push(['header', what]);
    else this.#cut = { ...this.#describe(false), header: what };
  }

  flush(): void {
    if (this.#cut !== undefined) this.#late.push(['flush']);
    else if (this.#length > 0) this.#cut = this.#describe(false);
  }

  totals(): void {
    this.#rounds?.checkpoint();
    if (!this.#regions) return;
    if (this.#cut !== undefined) this.#late.push(['totals']);
    else this.#cut = this.#describe(true);
  }

  #describe(totals: boolean): Cut {
    return {
      length: this.#length,
      segments: this.#entries,
      pageData: this.#regionOfChunk === 'pages',
      ...(this.#regionOfChunk === 'rest' ? { rest: true } : {}),
      totals,
      ...(this.#runs === undefined ? {} : { runs: this.#runs }),
    };
  }

  #report(kind: number, count: number, identity = NO_IDENTITY): void {
    if (count === 0) return;
    if (this.#flushedAhead === 0) {
      this.#add(kind, count, identity);
      return;
    }
    const unit = bytesOf(kind);
    const known = Math.min(this.#flushedAhead, unit * count);
    this.#flushedAhead -= known;
    // The remainder of a partly sent unit is skeleton. Whole units after it keep their kind.
    const partial = (unit - (known % unit)) % unit;
    if (partial > 0) this.#add(SEGMENT.skeleton, partial);
    const whole = (unit * count - known - partial) / unit;
    if (whole > 0) this.#add(kind, whole, identity < 0 ? identity : identity + count - whole);
  }

  #add(kind: number, count: number, identity = NO_IDENTITY): void {
    if (this.#cut !== undefined) {
      this.#late.push(['bytes', kind, count, identity]);
      return;
    }
    if (this.#length === 0) this.#regionOfChunk = this.#region;
    const boundary = this.#regions && this.#region !== this.#regionOfChunk;
    const table = this.#table;
    const entries = this.#entries;
    const next = entries * 2;
    const merges = entries > 0 && table[next - 2] === kind;
    // A chunk with too many segments ends where the next segment would begin. That position does not depend on the reads.
    if (boundary || (!merges && entries === MAX_SEGMENTS)) {
      this.#cut = this.#describe(false);
      this.#late.push(['region', this.#region], ['bytes', kind, count, identity]);
      return;
    }
    if (merges) {
      table[next - 1]! += count;
    } else {
      table[next] = kind;
      table[next + 1] = count;
      this.#entries = entries + 1;
    }
    this.#length += bytesOf(kind) * count;
    if (kind === SEGMENT.pages) this.#runs?.add(count, identity);
  }
}
