// The interface between pre-copy and the two stream formats of the simulated hypervisors.
// A writer puts pages and state into records and counts bytes; it knows neither the length of a round nor time.

import type { ByteSink } from '../../io/bytes.js';
import type { Trailer } from './trailer.js';

/** Pages in one batch of pre-copy. A libxc saver puts as many into one PAGE_DATA record. */
export const BATCH_PAGES = 1024;

export interface StreamWriter {
  /** Page frames of the first round: all of RAM, and the frames beyond it that the format includes. */
  readonly frames: number;
  /** Bytes written so far. */
  readonly bytes: number;
  /** Writes everything before the first page. */
  begin(): Promise<void>;
  /** @param last the guest is paused: this is the stop-and-copy round */
  beginRound(last: boolean): Promise<void>;
  /** Writes at most BATCH_PAGES pages, in ascending order; resolves when the sink has their contents. */
  pages(batch: Uint32Array): Promise<void>;
  endRound(): Promise<void>;
  /** Writes device state and the end of the stream. @param trailer goes into the device state, if it has room */
  finish(trailer: Trailer | undefined): Promise<void>;
}

/** Counts the bytes written to a sink. */
export class CountingSink {
  #bytes = 0;

  constructor(private readonly sink: ByteSink) {}

  get bytes(): number {
    return this.#bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    await this.sink.write(bytes);
  }
}
