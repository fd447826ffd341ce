// The identities of a chunk's pages, as runs of pages whose identities count up by one. Most pages follow their neighbours, so a
// reader of the runs handles small integers and no identities. The memory is fixed.

export class PageRuns {
  /** Run → identity of its first page; negative where its pages have none. */
  readonly firsts: Float64Array;
  /** Run → its pages. */
  readonly counts: Int32Array;
  /** Runs, and pages of all runs. */
  length = 0;
  pages = 0;
  /** Identity that continues the last run. */
  #next = NaN;

  /** @param maxPages most pages of a chunk */
  constructor(maxPages: number) {
    this.firsts = new Float64Array(maxPages);
    this.counts = new Int32Array(maxPages);
  }

  clear(): void {
    this.length = this.pages = 0;
    this.#next = NaN;
  }

  /** Adds `count` pages. @param identity of the first; negative where they have none */
  add(count: number, identity: number): void {
    const last = this.length - 1;
    if (identity === this.#next) {
      this.counts[last]! += count;
    } else {
      this.firsts[last + 1] = identity;
      this.counts[last + 1] = count;
      this.length = last + 2;
    }
    this.pages += count;
    // Pages without identities count up to nothing: each call begins a run.
    this.#next = identity < 0 ? NaN : identity + count;
  }
}
