// The state of each page of the guest, by its identity: never seen, seen, or in a slot.
// Four bytes for each page, in tables that are made as pages come. Whatever the identities of a stream are, the tables take no
// more than a fixed part of what was sent. An identity without room stays unknown.
// A cursor names the current page: the pages of a stream mostly follow each other, and a step costs no arithmetic on identities.

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
  #seen = 0;

  // The current page: its table, the table's number, and the index of its entry.
  #table: Int32Array | undefined;
  #number = -1;
  #index = 0;

  /** Bytes of the tables so far. */
  get bytes(): number {
    return this.#tables.size * TABLE_PAGES * 4;
  }

  /** Moves to the page with this identity. */
  seek(identity: number): void {
    const number = Math.floor(identity / TABLE_PAGES);
    this.#index = identity - number * TABLE_PAGES;
    if (number === this.#number) return;
    this.#number = number;
    this.#table = this.#tables.get(number);
  }

  /** Moves to the page with the next identity. */
  next(): void {
    if (++this.#index === TABLE_PAGES) this.seek((this.#number + 1) * TABLE_PAGES);
  }

  /** Notes that the current page was sent. @returns whether it was sent before */
  see(): boolean {
    const table = this.#table ?? this.#make();
    if (table === undefined) return false;
    const at = this.#index;
    if (table[at] !== NEVER) return true;
    table[at] = SEEN;
    this.#seen++;
    return false;
  }

  /** The current page's slot; -1 = none. */
  get slot(): number {
    const entry = this.#table?.[this.#index] ?? NEVER;
    return entry >= FIRST_SLOT ? entry - FIRST_SLOT : -1;
  }

  /** The current page's identity. */
  get current(): number {
    return this.#number * TABLE_PAGES + this.#index;
  }

  /** Whether there is room for the entry of the current page, which was seen. */
  get hasRoom(): boolean {
    return this.#table !== undefined;
  }

  /** @param slot of the current page, which has room */
  assign(slot: number): void {
    this.#table![this.#index] = slot + FIRST_SLOT;
  }

  /** Notes that a page has no slot any more. Leaves the current page as it is. */
  forget(identity: number): void {
    const number = Math.floor(identity / TABLE_PAGES);
    const table = this.#tables.get(number);
    if (table !== undefined) table[identity - number * TABLE_PAGES] = SEEN;
  }

  #make(): Int32Array | undefined {
    const room = FREE_TABLES + this.#seen / PAGES_PER_TABLE;
    if (this.#tables.size >= room) return undefined;
    const table = new Int32Array(TABLE_PAGES);
    this.#tables.set(this.#number, table);
    return (this.#table = table);
  }
}
