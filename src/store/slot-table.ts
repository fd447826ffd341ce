// The slots of the page store as the ledger sees them: the identity of each slot's page, the chunks that touched it last, and the
// choice of a page to evict. It holds numbers only, no pages.

/** Most slots that are considered for an eviction. */
const MAX_CANDIDATES = 16;

export class SlotTable {
  readonly #owners: Float64Array;
  /** The round in which a slot's page was sent last. */
  readonly #rounds: Int32Array;
  /** 1 = was suggested as an equal page since the clock hand passed. */
  readonly #referenced: Uint8Array;
  /** Sequence number + 1 of the chunk that wrote the slot last, and of the chunk that wrote or read it last. */
  readonly #written: Float64Array;
  readonly #touched: Float64Array;
  #used = 0;
  #hand = 0;
  #round = 0;

  constructor(slots: number) {
    this.#owners = new Float64Array(slots);
    this.#rounds = new Int32Array(slots);
    this.#referenced = new Uint8Array(slots);
    this.#written = new Float64Array(slots);
    this.#touched = new Float64Array(slots);
  }

  get slots(): number {
    return this.#owners.length;
  }

  /** Notes a page that was sent before: the first round is over. */
  sentAgain(slot = -1): void {
    // A round sends each page at most once.
    if (this.#round === 0 || (slot >= 0 && this.#rounds[slot] === this.#round)) this.#round++;
    if (slot >= 0) this.#rounds[slot] = this.#round;
  }

  /** Gives a page a slot that was never used, which the chunk writes: no other chunk must be complete before. -1 = none */
  fill(identity: number, sequence: number): number {
    const slot = this.#free(identity);
    if (slot >= 0) this.#touched[slot] = this.#written[slot] = sequence + 1;
    return slot;
  }

  #free(identity: number): number {
    return this.#used < this.slots ? this.#give(this.#used++, identity) : -1;
  }

  /**
   * A slot for a page that was sent again; -1 = none. Where none is free, it evicts a page that this round has passed without
   * sending, or that the round before did not send: such a page is not likely to be sent again soon. Pages that this round may
   * still send stay; otherwise a store smaller than the pages written in a round would never hit.
   * @param evicted is called with the slot and the identity of the evicted page
   */
  claim(identity: number, evicted: (slot: number, owner: number) => void): number {
    const free = this.#free(identity);
    if (free >= 0) return free;
    for (let look = 0; look < MAX_CANDIDATES; look++) {
      const slot = this.#hand;
      this.#hand = slot + 1 === this.slots ? 0 : slot + 1;
      if (this.#referenced[slot] === 1) {
        this.#referenced[slot] = 0;
        continue;
      }
      const age = this.#round - this.#rounds[slot]!;
      const owner = this.#owners[slot]!;
      if (age > 1 || (age === 1 && owner < identity)) {
        evicted(slot, owner);
        return this.#give(slot, identity);
      }
    }
    return -1;
  }

  #give(slot: number, identity: number): number {
    this.#owners[slot] = identity;
    this.#rounds[slot] = this.#round;
    return slot;
  }

  /** Notes that the chunk reads this slot. @returns how many chunks must be complete before; 0 when only the chunk itself wrote it */
  read(slot: number, sequence: number): number {
    this.#referenced[slot] = 1;
    this.#touched[slot] = sequence + 1;
    return before(this.#written[slot]!, sequence);
  }

  /** Whether this chunk itself writes the slot: then it cannot read it. */
  writtenBy(slot: number, sequence: number): boolean {
    return this.#written[slot] === sequence + 1;
  }

  /** Notes that the chunk writes this slot, whether it reads it or not. @returns as read() */
  write(slot: number, sequence: number): number {
    const needs = before(this.#touched[slot]!, sequence);
    this.#touched[slot] = this.#written[slot] = sequence + 1;
    return needs;
  }
}

function before(count: number, sequence: number): number {
  return count > sequence ? 0 : count;
}
