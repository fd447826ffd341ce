// The sender's account of the page store, on one thread and in stream order. For each page of a chunk it names the slot of its
// earlier contents, the slot to keep it in, a page that may be equal, and the chunks that must be complete before.
// Its decisions follow from the stream alone, whatever the number of threads: the results of a chunk count only
// REPORT_DELAY_CHUNKS chunks later. It touches no page of the store; a wrong suggestion costs a comparison.

import type { Buffer } from 'node:buffer';

import { SEGMENT } from '../chunk/segments.js';
import { NO_SLOT, ownSlot, type StoreTally, SUGGESTIONS } from '../chunk/store-plan.js';
import { OPERATIONS_CAPACITY } from '../chunk/plan.js';
import { fingerprint } from '../page/fingerprint.js';
import { PAGE_BYTES } from '../page/size.js';
import { IdentityTable } from './identities.js';
import type { PageRuns } from './page-runs.js';
import { StoreGovernor } from './store-governor.js';
import { SlotTable } from './slot-table.js';
import { EqualPages } from './equal-pages.js';

/** From a chunk to the first chunk that its results count for; more chunks than are ever under way at once. */
const REPORT_DELAY_CHUNKS = 64;

/** Upper bound of the ledger's memory for each slot, besides the slot. */
export const LEDGER_BYTES_PER_SLOT = 48;

/** A chunk before it goes to a worker. */
export interface LedgerChunk {
  readonly sequence: number;
  /** Headroom and input, as for a plan. */
  readonly front: Buffer;
  readonly segments: Int32Array;
  readonly segmentCount: number;
  /** The identities of its pages, in order. */
  readonly runs: PageRuns;
  /** Receives two numbers for each page (chunk/store-plan.ts). */
  readonly suggestions: Int32Array;
}

/** Counts of the ledger, besides those that chunks report. */
export interface LedgerCounts {
  /** Pages that were sent again while the store kept or sampled them. */
  readonly resent: number;
  /** Of those: pages whose earlier contents the store did not hold. */
  readonly missed: number;
  readonly turnedOff: number;
}

export class Ledger {
  readonly #identities = new IdentityTable();
  readonly #slots: SlotTable;
  readonly #equalPages: EqualPages;
  readonly #control = new StoreGovernor();
  /** From chunk #judged on: results that do not count yet, and the number of pages that were searched for. */
  readonly #tallies: StoreTally[] = [];
  readonly #searches: number[] = [];
  #judged = 0;
  #resent = 0;
  #missed = 0;

  // The current chunk.
  #view!: DataView;
  #suggestions!: Int32Array;
  #sequence = 0;
  #needs = 0;
  #searching = false;
  #searched = 0;
  #suggested = false;

  /** @param slots of the store */
  constructor(slots: number) {
    this.#slots = new SlotTable(slots);
    this.#equalPages = new EqualPages(slots);
  }

  get counts(): LedgerCounts {
    return { resent: this.#resent, missed: this.#missed, turnedOff: this.#control.turnedOff };
  }

  /** Whether the results that count for this chunk have come. */
  ready(sequence: number): boolean {
    return this.#judged + this.#tallies.length > sequence - REPORT_DELAY_CHUNKS;
  }

  /** Notes a chunk that does not use the store; instead of enter(). */
  skip(): void {
    this.#searches.push(0);
  }

  /** Takes the results of a chunk; in stream order. */
  report(tally: StoreTally): void {
    this.#tallies.push(tally);
  }

  /**
   * Enters a chunk: each once, in stream order, when it is ready.
   * @returns how many chunks of the stream must be complete before it, and whether it has suggestions
   */
  enter(chunk: LedgerChunk): { needs: number; suggested: boolean } {
    const { sequence } = chunk;
    while (this.#judged <= sequence - REPORT_DELAY_CHUNKS) {
      this.#control.judge(this.#tallies.shift()!, this.#searches.shift()!);
      this.#judged++;
    }
    this.#begin(chunk);
    this.#walk(chunk);
    this.#searches.push(this.#searched);
    return { needs: this.#needs, suggested: this.#suggested };
  }

  #begin({ sequence, front, runs, suggestions }: LedgerChunk): void {
    this.#view = new DataView(front.buffer, front.byteOffset, front.byteLength);
    this.#suggestions = suggestions;
    suggestions.fill(NO_SLOT, 0, runs.pages * SUGGESTIONS);
    this.#sequence = sequence;
    this.#needs = 0;
    this.#suggested = false;
    this.#searched = 0;
    this.#searching = this.#control.searches(sequence);
  }

  /** Enters the pages with identities, one after the other: the segments say where they lie, the runs which they are. */
  #walk({ segments, segmentCount, runs }: LedgerChunk): void {
    const identities = this.#identities;
    const { comparing } = this.#control;
    let at = OPERATIONS_CAPACITY;
    let page = 0;
    let run = -1;
    /** Pages of the run that are left, and the low half of the current identity. */
    let left = 0;
    let low = 0;
    let known = false;
    for (let index = 0; index < segmentCount; index++) {
      const kind = segments[index * 2]!;
      const count = segments[index * 2 + 1]!;
      if (kind !== SEGMENT.pages) {
        at += kind === SEGMENT.skeleton ? count : count * 8;
        continue;
      }
      for (const end = page + count; page < end; page++, at += PAGE_BYTES) {
        if (left === 0) {
          const first = runs.firsts[++run]!;
          left = runs.counts[run]!;
          low = first | 0;
          known = first >= 0;
          if (known) identities.seek(first);
        } else {
          low = (low + 1) | 0;
          if (known) identities.next();
        }
        left--;
        if (!known) continue;
        const sampled = this.#control.samples(low);
        // The other pages are not noted either: that would cost as much as it could save.
        if (!sampled && !comparing) continue;
        if (identities.see()) this.#again(sampled, at, page);
        else this.#first(sampled, at, page);
      }
    }
  }

  /** A page that was not sent before. @param at of the page in the chunk's memory. @param page its index in the chunk */
  #first(sampled: boolean, at: number, page: number): void {
    const view = this.#view;
    if (looksZero(view, at)) return;
    let print = 0;
    if (this.#searching) {
      this.#searched++;
      print = fingerprint(view, at);
      const equal = this.#equalPages.find(print);
      if (equal >= 0 && !this.#slots.writtenBy(equal, this.#sequence)) {
        this.#need(this.#slots.read(equal, this.#sequence));
        this.#suggestions[page * SUGGESTIONS + 1] = equal;
        this.#suggested = true;
        return;
      }
    }
    if (!this.#identities.hasRoom) return;
    const slot = this.#slots.fill(this.#identities.current, this.#sequence);
    if (slot < 0) return;
    this.#identities.assign(slot);
    this.#suggestOwn(ownSlot(slot, false, sampled), page);
    if (this.#searching) this.#equalPages.enter(print, slot);
  }

  /** A page that was sent before. */
  #again(sampled: boolean, at: number, page: number): void {
    this.#resent++;
    const { slot } = this.#identities;
    this.#slots.sentAgain(slot);
    if (slot >= 0) {
      this.#need(this.#slots.write(slot, this.#sequence));
      this.#suggestOwn(ownSlot(slot, true, sampled), page);
      return;
    }
    this.#missed++;
    if (looksZero(this.#view, at)) return;
    if (sampled) this.#control.miss();
    const claimed = this.#slots.claim(this.#identities.current, this.#evicted);
    if (claimed < 0) return;
    this.#identities.assign(claimed);
    this.#need(this.#slots.write(claimed, this.#sequence));
    this.#suggestOwn(ownSlot(claimed, false, sampled), page);
  }

  readonly #evicted = (slot: number, owner: number): void => {
    this.#identities.forget(owner);
    this.#equalPages.forget(slot);
  };

  #suggestOwn(suggestion: number, page: number): void {
    this.#suggestions[page * SUGGESTIONS] = suggestion;
    this.#suggested = true;
  }

  #need(chunks: number): void {
    if (chunks > this.#needs) this.#needs = chunks;
  }
}

/** A page of zeros costs nothing anyway. A page that only looks like one is not kept. */
function looksZero(view: DataView, at: number): boolean {
  return (
    view.getInt32(at, true) === 0 &&
    view.getInt32(at + 2048, true) === 0 &&
    view.getInt32(at + 4092, true) === 0
  );
}
