// A shard's later connections whose transfer another shard carries: asks the parent for the way to that shard.

import type net from 'node:net';

import type { OtherProcesses } from '../later-connections.js';
import type { FromShard } from './messages.js';

export class Elsewhere implements OtherProcesses {
  readonly #tell: (message: FromShard) => void;
  readonly #asked = new Map<number, (socket: net.Socket | undefined) => void>();
  #next = 1;

  constructor(tell: (message: FromShard) => void) {
    this.#tell = tell;
  }

  find(first: Uint8Array, provenName: string | undefined): Promise<net.Socket | undefined> {
    const request = this.#next++;
    return new Promise((resolve) => {
      this.#asked.set(request, resolve);
      this.#tell({ kind: 'elsewhere', request, first, provenName });
    });
  }

  /** @param socket the way to the other shard; undefined where none carries the transfer */
  answered(request: number, socket: net.Socket | undefined): void {
    this.#asked.get(request)?.(socket);
    this.#asked.delete(request);
  }
}
