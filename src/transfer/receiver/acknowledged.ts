// `Acknowledged`: the decoded bytes that the receiver acknowledges, as the delivery window counts them. Takes the sink of the output.
// Bytes in an output pipe are in flight until its reader has taken them. Elsewhere a byte counts when its write has returned.

import type { ByteSink } from '../../io/bytes.js';

export class Acknowledged {
  #bytes = 0;

  /**
   * @param sink the open output; undefined before it is open
   * @param written decoded bytes whose writes have returned
   * @param handed decoded bytes whose writes have begun
   * @returns never less than before
   */
  count(sink: Pick<ByteSink, 'unread'> | undefined, written: number, handed: number): number {
    const unread = sink?.unread?.();
    this.#bytes = Math.max(this.#bytes, unread === undefined ? written : handed - unread);
    return this.#bytes;
  }
}
