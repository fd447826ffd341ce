// Checks the order of the chunks of a native stream. Each chunk arrives once, at most the reorder window ahead of its turn.
// Its offset must be the sum of the decoded lengths before it. Stores one length for each chunk ahead of its turn.

import type { ChunkHeader } from '../chunk/record.js';
import { RamferryError } from '../errors.js';
import type { ArrivedChunk } from './inlet.js';

/**
 * @param claimed the chunk's offset in the decoded stream, from its header
 * @param decodedBytes decoded bytes of all chunks before it
 * @throws ERR_STREAM_ORDER when the two differ
 */
export function checkContinues(
  { sequence, record, offset }: Pick<ArrivedChunk, 'sequence' | 'record' | 'offset'>,
  claimed: number,
  decodedBytes: number,
): void {
  if (claimed === decodedBytes) return;
  throw new RamferryError(
    'ERR_STREAM_ORDER',
    `chunk ${sequence} has offset ${claimed}, expected ${decodedBytes}`,
    { ...(record === undefined ? {} : { record }), offset, sequence },
  );
}

export class ChunkOrder {
  readonly #window: number;
  /** The lowest sequence number that has not arrived, and the decoded bytes before it. */
  #expected = 0;
  #expectedOffset: number;
  /** Decoded lengths of the chunks that arrived ahead of their turn, by sequence number. */
  readonly #ahead = new Map<number, number>();

  /**
   * @param window the reorder window in the stream's header, in chunks; 1 = strictly in order
   * @param start offset of the first chunk
   */
  constructor(window: number, start = 0) {
    this.#window = window;
    this.#expectedOffset = start;
  }

  /** Checks the header of the chunk that arrives next. @throws ERR_STREAM_ORDER */
  accept({ sequence, offset, needs, decodedLength }: ChunkHeader): void {
    const wrong = (what: string): RamferryError =>
      new RamferryError('ERR_STREAM_ORDER', what, {
        sequence,
        hint: 'records were lost, repeated or exchanged on the way: the transfer must be repeated',
      });
    if (sequence < this.#expected || this.#ahead.has(sequence)) throw wrong(`chunk ${sequence} comes twice`);
    if (sequence >= this.#expected + this.#window) {
      throw wrong(
        `chunk ${sequence} comes before chunk ${this.#expected}; at most ${this.#window - 1} may wait`,
      );
    }
    if (sequence === this.#expected && offset !== this.#expectedOffset) {
      throw wrong(`chunk ${sequence} has offset ${offset}, expected ${this.#expectedOffset}`);
    }
    if (needs > this.#expected) throw wrong(`chunk ${sequence} needs chunks that have not come`);
    this.#ahead.set(sequence, decodedLength);
    for (let length = this.#ahead.get(this.#expected); length !== undefined;) {
      this.#ahead.delete(this.#expected);
      this.#expectedOffset += length;
      length = this.#ahead.get(++this.#expected);
    }
  }

  /** Checks at the END record that no chunk is missing. @throws ERR_STREAM_ORDER */
  complete(place: { record: number; offset: number }): void {
    if (this.#ahead.size === 0) return;
    throw new RamferryError(
      'ERR_STREAM_ORDER',
      `chunk ${this.#expected} is missing at the END record`,
      place,
    );
  }
}
