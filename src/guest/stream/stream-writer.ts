// How a simulated hypervisor writes its stream: the interface between pre-copy and the two formats.
// A writer puts pages and state into records and counts bytes; it knows neither rounds' lengths nor time.

import type { ByteSink } from '../../io/bytes.js';
import type { Trailer } from './trailer.js';

/** Pages that pre-copy hands over at once, and what a libxc saver puts into one PAGE_DATA record. */
export const BATCH_PAGES = 1024;

export interface StreamWriter {
  /** Page frames that the first round walks: all of RAM, and what the format walks beyond it. */
  readonly frames: number;
  /** Bytes written so far. */
  readonly bytes: number;
  /** Everything before the first page. */
  begin(): Promise<void>;
  /** @param last the guest is paused: this is the stop-and-copy round */
  beginRound(last: boolean): Promise<void>;
  /** At most BATCH_PAGES pages, ascending; resolves when the sink has their contents. */
  pages(batch: Uint32Array): Promise<void>;
  endRound(): Promise<void>;
  /** Device state and the end of the stream. @param trailer to put into the device state, if it has room for one */
  finish(trailer: Trailer | undefined): Promise<void>;
}

/** Counts what goes to a sink. */
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
