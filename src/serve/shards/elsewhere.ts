// A shard's later connections whose transfer another shard carries: asks the parent for the way to that shard.

import type net from 'node:net';

import type { OtherProcesses } from '../later-connections.js';
import type { FromShard } from './messages.js';
import { Questions } from './questions.js';

export class Elsewhere implements OtherProcesses {
  readonly #tell: (message: FromShard) => void;
  readonly #asked = new Questions<net.Socket | undefined>();

  constructor(tell: (message: FromShard) => void) {
    this.#tell = tell;
  }

  find(first: Uint8Array, provenName: string | undefined): Promise<net.Socket | undefined> {
    return this.#asked.ask((request) => this.#tell({ kind: 'elsewhere', request, first, provenName }));
  }

  /** @param socket the way to the other shard; undefined where none carries the transfer */
  answered(request: number, socket: net.Socket | undefined): void {
    this.#asked.answer(request, socket);
  }
}
