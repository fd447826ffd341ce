// `Probe`: some chunks without compression in a row that find out what the link carries. While the codec limits the transfer, the link
// has rests between chunks, and its rate does not show. A probe costs less time than a wrong choice: the workers go on meanwhile. Pure.

import { type Policy, POLICY } from './policy.js';

/** The candidate that puts most bytes on the link: no codec where that is allowed, or the fastest level. */
export const PROBING = 0;

export class Probe {
  readonly #policy: Policy['probe'];
  /** Whether probes can be made. */
  readonly isPossible: boolean;
  /** Chunks that are still to be asked for, and still to leave. */
  #wanted = 0;
  #left = 0;
  #asked = 0;
  /** Bytes that its chunks have put on the link. */
  #bytes = 0;

  constructor(chunkSize: number, policy: Policy = POLICY) {
    this.#policy = policy.probe;
    this.isPossible = chunkSize <= policy.probe.largestChunkBytes;
  }

  /** Whether chunks of a probe have not left yet. */
  get isUnderWay(): boolean {
    return this.#left > 0;
  }

  begin(): void {
    this.#wanted = this.#left = this.#policy.chunks;
    this.#bytes = this.#asked = 0;
  }

  /** Whether the next chunk belongs to a probe. */
  next(): boolean {
    if (this.#wanted === 0) return false;
    this.#wanted--;
    this.#asked++;
    return true;
  }

  /** A chunk of a probe has left. */
  recordChunk(bytes: number): void {
    if (this.#left === 0) return;
    this.#left--;
    this.#bytes += bytes;
    // Chunks with many zero pages put little on the link: more of them follow.
    const { chunks, mostChunks, leastBytes } = this.#policy;
    if (this.#left > 0 || this.#bytes >= leastBytes || this.#asked >= mostChunks) return;
    this.#wanted = this.#left = chunks;
  }

  /** Ends an interval, and with it a probe. @returns whether a probe has put enough on the link */
  end(): boolean {
    const enough = this.#left === 0 && this.#bytes >= this.#policy.leastBytes;
    this.#wanted = this.#left = this.#bytes = 0;
    return enough;
  }
}
