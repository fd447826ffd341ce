// The dirty bitmap: the pages that were written since the last take(), one bit a page.
// Promises pages in ascending order, each once; knows nothing of their contents.

export class DirtyBitmap {
  readonly pages: number;
  #words: Uint32Array;
  #count = 0;

  constructor(pages: number) {
    this.pages = pages;
    this.#words = new Uint32Array(Math.ceil(pages / 32));
  }

  /** Number of dirty pages. */
  get count(): number {
    return this.#count;
  }

  mark(page: number): void {
    const bit = 1 << (page & 31);
    const word = this.#words[page >>> 5];
    if (word === undefined || page >= this.pages) throw new RangeError(`page ${page} of ${this.pages}`);
    if ((word & bit) !== 0) return;
    this.#words[page >>> 5] = word | bit;
    this.#count++;
  }

  markAll(): void {
    this.#words.fill(0xffff_ffff);
    if (this.pages % 32 !== 0) this.#words[this.#words.length - 1] = 2 ** (this.pages % 32) - 1;
    this.#count = this.pages;
  }

  has(page: number): boolean {
    return ((this.#words[page >>> 5] ?? 0) & (1 << (page & 31))) !== 0;
  }

  /** Returns the dirty pages and clears the bitmap, as a hypervisor's peek-and-clear does. */
  take(): DirtyBitmap {
    const taken = new DirtyBitmap(this.pages);
    const words = taken.#words;
    taken.#words = this.#words;
    taken.#count = this.#count;
    this.#words = words;
    this.#count = 0;
    return taken;
  }

  /** The dirty pages in batches of at most `size`. */
  *batches(size: number): Generator<Uint32Array, void, undefined> {
    const batch = new Uint32Array(size);
    let filled = 0;
    for (let at = 0; at < this.#words.length; at++) {
      let word = this.#words[at]!;
      while (word !== 0) {
        const lowest = 31 - Math.clz32(word & -word);
        word &= word - 1;
        batch[filled++] = at * 32 + lowest;
        if (filled < size) continue;
        yield batch.slice();
        filled = 0;
      }
    }
    if (filled > 0) yield batch.slice(0, filled);
  }
}
