// The slots of the page store as the sender's bookkeeping sees them: whose page each holds, which chunks touched it last,
// and which page may give way to another. Numbers only; the pages are elsewhere.

/** How many slots are looked at for one that may give way. */
const MAX_CANDIDATES = 16;

export class SlotTable {
  readonly #owners: Float64Array;
  /** The round in which the page of a slot was sent last. */
  readonly #rounds: Int32Array;
  /** 1 = was suggested as an equal page since the hand passed. */
  readonly #referenced: Uint8Array;
  /** Chunks, counted from the start, behind which the slot was last written, and last written or read. */
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

  /** A page was sent that had been sent before: the first round is over. */
  sentAgain(slot = -1): void {
    // A round sends each page once at most.
    if (this.#round === 0 || (slot >= 0 && this.#rounds[slot] === this.#round)) this.#round++;
    if (slot >= 0) this.#rounds[slot] = this.#round;
  }

  /** A slot that nobody has had, or -1. */
  free(identity: number): number {
    return this.#used < this.slots ? this.#give(this.#used++, identity) : -1;
  }

  /**
   * A slot for a page that was sent again. Where none is free, a page gives way over which this round has passed without
   * sending it, or the round before: it is not likely to be sent again soon. Pages that this round may still send stay,
   * or a store smaller than what is dirtied in a round would never hit.
   * @param evicted told whose page gave way
   */
  claim(identity: number, evicted: (slot: number, owner: number) => void): number {
    const free = this.free(identity);
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

  /** The chunk reads this slot. @returns how many chunks must be complete before it; 0 when only the chunk itself wrote it */
  read(slot: number, sequence: number): number {
    this.#referenced[slot] = 1;
    this.#touched[slot] = sequence + 1;
    return before(this.#written[slot]!, sequence);
  }

  /** Whether this chunk itself writes the slot: then it cannot read what it wrote. */
  writtenBy(slot: number, sequence: number): boolean {
    return this.#written[slot] === sequence + 1;
  }

  /** The chunk writes this slot, whether it reads it or not. */
  write(slot: number, sequence: number): number {
    const needs = before(this.#touched[slot]!, sequence);
    this.#touched[slot] = this.#written[slot] = sequence + 1;
    return needs;
  }
}

function before(count: number, sequence: number): number {
  return count > sequence ? 0 : count;
}
