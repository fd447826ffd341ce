// Whether a waiting sender waits for the link, by the receiver's own word (Waiting). Where both sides have much to do, each
// waits for the other by turns; only a link keeps both waiting at once. Pure; fed with each word, asked once a window.

import type { Waiting } from '../../io/waiting-source.js';

/** What was said this long ago says nothing of now; milliseconds. */
const STALE_MS = 500;
/**
 * Shares of the time in which the two sides waited that add up to more than this overlapped. 1 by arithmetic; the rest is
 * for words that were on their way when the window ended.
 */
const OVERLAP = 1.1;

export class ReceiverGauge {
  #from: Waiting | undefined;
  #to: Waiting | undefined;
  #share: number | undefined;
  #at = -Infinity;

  heard(waiting: Waiting): void {
    this.#from ??= waiting;
    this.#to = waiting;
  }

  /** Ends a window. */
  look(now: number): void {
    const from = this.#from;
    const to = this.#to;
    if (from === undefined || to === undefined || to.clock <= from.clock) return;
    this.#share = Math.max(0, Math.min(1, (to.waited - from.waited) / (to.clock - from.clock)));
    this.#at = now;
    this.#from = to;
  }

  /**
   * Whether it can have been the link that kept the sender waiting for `share` of the window.
   * True where the receiver does not say: then nobody else is known.
   */
  allows(share: number, now: number): boolean {
    if (this.#share === undefined || now - this.#at > STALE_MS) return true;
    return share + this.#share > OVERLAP;
  }
}
