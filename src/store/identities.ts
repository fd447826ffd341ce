// The state of each page of the guest, by its identity: never seen, seen, or in a slot.
// Four bytes for each page, in tables that are made as pages come. Whatever the identities of a stream are, the tables take no
// more than a fixed part of what was sent. An identity without room stays unknown.

/** Values of an entry; FIRST_SLOT and above name a slot. */
const NEVER = 0;
const SEEN = 1;
const FIRST_SLOT = 2;

const TABLE_PAGES = 4096;
/** So many tables may exist from the start, and one more for each PAGES_PER_TABLE pages that came: 0.1 % of a dense guest. */
const FREE_TABLES = 256;
const PAGES_PER_TABLE = 1024;

export class IdentityTable {
  readonly #tables = new Map<number, Int32Array>();
  #last: Int32Array | undefined;
  #lastNumber = -1;
  #seen = 0;

  /** Bytes of the tables so far. */
  get bytes(): number {
    return this.#tables.size * TABLE_PAGES * 4;
  }

  /** Notes that the page was sent. @returns whether it was sent before */
  see(identity: number): boolean {
    const table = this.#table(identity, true);
    if (table === undefined) return false;
    const at = identity % TABLE_PAGES;
    if (table[at] !== NEVER) return true;
    table[at] = SEEN;
    this.#seen++;
    return false;
  }

  /** The page's slot; -1 = none. */
  slotOf(identity: number): number {
    const entry = this.#table(identity, false)?.[identity % TABLE_PAGES] ?? NEVER;
    return entry >= FIRST_SLOT ? entry - FIRST_SLOT : -1;
  }

  /** @param slot of the page; -1 = none. @returns false when there is no room for the entry */
  assign(identity: number, slot: number): boolean {
    const table = this.#table(identity, false);
    if (table === undefined) return false;
    table[identity % TABLE_PAGES] = slot < 0 ? SEEN : slot + FIRST_SLOT;
    return true;
  }

  #table(identity: number, make: boolean): Int32Array | undefined {
    const number = Math.floor(identity / TABLE_PAGES);
    if (number === this.#lastNumber) return this.#last;
    let table = this.#tables.get(number);
    if (table === undefined) {
      const room = FREE_TABLES + this.#seen / PAGES_PER_TABLE;
      if (!make || this.#tables.size >= room) return undefined;
      this.#tables.set(number, (table = new Int32Array(TABLE_PAGES)));
    }
    this.#lastNumber = number;
    this.#last = table;
    return table;
  }
}
