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
  /** For each page in order; negative for a page without identity. */
  readonly identities: Float64Array;
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
    const { sequence, segments, segmentCount, identities } = chunk;
    while (this.#judged <= sequence - REPORT_DELAY_CHUNKS) {
      this.#control.judge(this.#tallies.shift()!, this.#searches.shift()!);
      this.#judged++;
    }
    this.#begin(chunk);
    const { comparing } = this.#control;
    let at = OPERATIONS_CAPACITY;
    let page = 0;
    for (let index = 0; index < segmentCount; index++) {
      const kind = segments[index * 2]!;
      const count = segments[index * 2 + 1]!;
      if (kind === SEGMENT.pages) {
        for (const end = page + count; page < end; page++, at += PAGE_BYTES) {
          const identity = identities[page]!;
          this.#suggest(page, NO_SLOT, NO_SLOT);
          if (identity < 0) continue;
          const sampled = this.#control.samples(identity);
          // The other pages are not noted either: that would cost as much as it could save.
          if (sampled || comparing) this.#page(identity, sampled, at, page);
        }
      } else {
        at += kind === SEGMENT.skeleton ? count : count * 8;
      }
    }
    this.#searches.push(this.#searched);
    return { needs: this.#needs, suggested: this.#suggested };
  }

  #begin({ sequence, front, suggestions }: LedgerChunk): void {
    this.#view = new DataView(front.buffer, front.byteOffset, front.byteLength);
    this.#suggestions = suggestions;
    this.#sequence = sequence;
    this.#needs = 0;
    this.#suggested = false;
    this.#searched = 0;
    this.#searching = this.#control.searches(sequence);
  }

  /** Writes the two numbers of a page. */
  #suggest(page: number, own: number, equal: number): void {
    this.#suggestions[page * SUGGESTIONS] = own;
    this.#suggestions[page * SUGGESTIONS + 1] = equal;
  }

  /** @param at of the page in the chunk's memory. @param page its index in the chunk */
  #page(identity: number, sampled: boolean, at: number, page: number): void {
    if (this.#identities.see(identity)) {
      this.#again(identity, sampled, at, page);
      return;
    }
    if (looksZero(this.#view, at)) return;
    let print = 0;
    if (this.#searching) {
      this.#searched++;
      print = fingerprint(this.#view, at);
      const equal = this.#equalPages.find(print);
      if (equal >= 0 && !this.#slots.writtenBy(equal, this.#sequence)) {
        this.#need(this.#slots.read(equal, this.#sequence));
        this.#suggest(page, NO_SLOT, equal);
        this.#suggested = true;
        return;
      }
    }
    const slot = this.#slots.free(identity);
    if (slot < 0) return;
    this.#keep(identity, sampled, slot, page);
    if (this.#searching) this.#equalPages.enter(print, slot);
  }

  /** A page that was sent before. */
  #again(identity: number, sampled: boolean, at: number, page: number): void {
    this.#resent++;
    const slot = this.#identities.slotOf(identity);
    this.#slots.sentAgain(slot);
    if (slot >= 0) {
      this.#own(ownSlot(slot, true, sampled), slot, page);
      return;
    }
    this.#missed++;
    if (looksZero(this.#view, at)) return;
    if (sampled) this.#control.miss();
    const claimed = this.#slots.claim(identity, this.#evicted);
    if (claimed >= 0) this.#keep(identity, sampled, claimed, page);
  }

  readonly #evicted = (slot: number, owner: number): void => {
    this.#identities.assign(owner, -1);
    this.#equalPages.forget(slot);
  };

  #keep(identity: number, sampled: boolean, slot: number, page: number): void {
    if (this.#identities.assign(identity, slot)) this.#own(ownSlot(slot, false, sampled), slot, page);
  }

  #own(suggestion: number, slot: number, page: number): void {
    this.#need(this.#slots.write(slot, this.#sequence));
    this.#suggest(page, suggestion, NO_SLOT);
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
