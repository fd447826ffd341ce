// The hypervisor's connections, in the order in which they are accepted. The first counts once it has said a byte: a program that connects and says
// nothing takes no place. Those behind it count at once: the destination may wait for a connection on which the source says nothing yet.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import type { Accepted } from '../link/listen/binding.js';
import { closedBecause } from '../link/listen/strangers.js';

export class Arrivals {
  readonly #onArrival: (accepted: Accepted) => void;
  /** Accepted connections before the first byte, oldest first. */
  readonly #waiting: Accepted[] = [];
  #begun = false;
  #over = false;

  /** @param onArrival called with each connection, in order */
  constructor(onArrival: (accepted: Accepted) => void) {
    this.#onArrival = onArrival;
  }

  get begun(): boolean {
    return this.#begun;
  }

  add(accepted: Accepted): void {
    if (this.#over) {
      accepted.link.fail(closedBecause('nothing is waited for any more'));
      return;
    }
    if (this.#begun) {
      this.#onArrival(accepted);
      return;
    }
    this.#waiting.push(accepted);
    if (this.#waiting.length === 1) void this.#hearFirst();
  }

  close(): void {
    this.#over = true;
    for (const { link } of this.#waiting.splice(0))
      link.fail(closedBecause('nothing is waited for any more'));
  }

  async #hearFirst(): Promise<void> {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const byte = await firstByte(first);
      if (this.#over) return;
      if (byte === undefined) {
        this.#waiting.shift();
        first.link.fail(new RamferryError('ERR_LINK_CLOSED', 'the connection was closed without a byte'));
        continue;
      }
      first.link.unread(byte);
      this.#begun = true;
      for (const accepted of this.#waiting.splice(0)) this.#onArrival(accepted);
      return;
    }
  }
}

async function firstByte({ link }: Accepted): Promise<Buffer | undefined> {
  const byte = Buffer.alloc(1);
  link.source!.patience?.(0);
  const got = await link.source!.read(byte).catch(() => 0);
  return got === 0 ? undefined : byte;
}
