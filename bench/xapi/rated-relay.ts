// A one-way link of a limited rate between two descriptors of sockets, in this process. Counts its bytes. Its own processor time is not
// that of a child, so it stands in no figure.

import net from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** What may pass without a pause: 5 ms of the rate. */
const BURST_SECONDS = 0.005;

export class RatedRelay {
  /** Resolves when the input has ended and the output has everything. */
  readonly ended: Promise<void>;
  #bytes = 0;

  /** @param rate in bytes a second. Both descriptors become the relay's, which closes them. */
  constructor(from: number, to: number, rate: number) {
    const input = new net.Socket({ fd: from, readable: true, writable: false });
    const output = new net.Socket({ fd: to, readable: false, writable: true });
    this.ended = this.#carry(input, output, rate);
  }

  /** Bytes that have passed. */
  get bytes(): number {
    return this.#bytes;
  }

  async #carry(input: net.Socket, output: net.Socket, rate: number): Promise<void> {
    /** Time at which the bytes so far have passed. */
    let due = performance.now();
    for await (const piece of input as AsyncIterable<Buffer>) {
      this.#bytes += piece.length;
      due = Math.max(due, performance.now() - BURST_SECONDS * 1e3) + (piece.length / rate) * 1e3;
      const wait = due - performance.now();
      if (wait > 1) await sleep(wait);
      if (!output.write(piece)) await once(output, 'drain');
    }
    output.end();
    await once(output, 'close');
  }
}
