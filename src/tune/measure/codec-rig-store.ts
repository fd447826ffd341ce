// The page stores of a codec rig, as both sides of a transfer hold them when every page was sent before. Takes the earlier contents of
// each page. Provides stores that hold them at the start of every run, and the suggestions that the sender's ledger would
// make. Page k of a run has slot k.

import { Buffer } from 'node:buffer';

import { PageStore } from '../../chunk/page-store.js';
import { NO_SLOT, ownSlot, SUGGESTIONS } from '../../chunk/store-plan.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { SlotViews } from '../../slot/layout.js';
import { Turns } from '../../slot/turns.js';
import { allocateStore, type SharedStore } from '../../store/shared.js';

/** The chunk that brought the earlier contents. */
const EARLIER = 0;

export class RigStore {
  readonly encoders: SharedStore;
  readonly decoders: SharedStore;
  readonly #before: Buffer;
  #sequence = EARLIER;

  /**
   * @param before earlier contents, page after page
   * @param underWay most chunks that are under way at once
   */
  constructor(before: Buffer, underWay: number) {
    this.#before = before;
    this.encoders = allocateStore(before.length, underWay)!;
    this.decoders = allocateStore(before.length, underWay)!;
    for (const { turns } of [this.encoders, this.decoders]) new Turns(turns).end(EARLIER);
  }

  /** Called before each run: undoes what the last run has written. */
  prime(): void {
    for (const { pages } of [this.encoders, this.decoders]) {
      const store = new PageStore(pages);
      for (let slot = 0; slot < store.slots; slot++)
        store.put(slot, this.#before, slot * PAGE_BYTES, EARLIER);
    }
  }

  /** Writes a chunk's pages into its job. @returns its sequence number, which goes on from run to run */
  enter({ encode, suggestions }: SlotViews, firstPage: number, pages: number): number {
    for (let page = 0; page < pages; page++) {
      suggestions[page * SUGGESTIONS] = ownSlot(firstPage + page, true);
      suggestions[page * SUGGESTIONS + 1] = NO_SLOT;
    }
    encode.suggested = true;
    encode.needs = EARLIER + 1;
    return ++this.#sequence;
  }
}
