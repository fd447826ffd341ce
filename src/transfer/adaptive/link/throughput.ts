// What has passed the link: the fastest run of bytes of the interval at hand, and the rates of recent intervals. Counts what has
// left the kernel, because its buffers take bytes as fast as they come. Pure; fed with every write, time is given.

import { type Policy, POLICY } from '../policy.js';

export class Throughput {
  readonly #policy: Policy['link'];
  #bytes = 0;
  /** The run that is not complete: since when, and bytes so far. */
  #runStart: number | undefined;
  #runBytes = 0;
  #fastest = 0;
  /** What the kernel held after the last write, and when the interval began. */
  #queued = 0;
  #queuedBefore = 0;
  #recent: { readonly rate: number; readonly at: number }[] = [];

  constructor(policy: Policy = POLICY) {
    this.#policy = policy.link;
  }

  /** Bytes per second of the fastest runBytes of this interval; 0 without such a run. */
  get fastest(): number {
    return this.#fastest;
  }

  /** Bytes per second that passed, of the fastest remembered interval; -Infinity without one. */
  get recent(): number {
    return Math.max(...this.#recent.map(({ rate }) => rate));
  }

  /** @param queued what the kernel held when the write ended; undefined where that tells nothing */
  recordWrite(bytes: number, ended: number, queued: number | undefined): void {
    this.#bytes += bytes;
    if (queued !== undefined) this.#addToRun(bytes + this.#queued - queued, ended);
    this.#queued = queued ?? 0;
  }

  #addToRun(left: number, ended: number): void {
    if (this.#runStart === undefined) {
      this.#runStart = ended;
      return;
    }
    this.#runBytes += left;
    if (this.#runBytes < this.#policy.runBytes) return;
    this.#fastest = Math.max(this.#fastest, (this.#runBytes / (ended - this.#runStart)) * 1e3);
    this.#runStart = ended;
    this.#runBytes = 0;
  }

  /** Ends an interval: remembers its rate. */
  endInterval(now: number, elapsed: number): void {
    const passed = ((this.#bytes + this.#queuedBefore - this.#queued) / elapsed) * 1e3;
    this.#recent = this.#recent.filter(({ at }) => now - at < this.#policy.carriedMs);
    this.#recent.push({ rate: passed, at: now });
  }

  /** Begins the next interval. A run goes on. */
  begin(): void {
    this.#queuedBefore = this.#queued;
    this.#bytes = this.#fastest = 0;
  }

  /** The link has changed: what passed before says nothing. */
  forget(): void {
    this.#recent = [];
  }
}
