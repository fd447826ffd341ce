// The claims of a shard: its parent knows the guests of all shards, and numbers their transfers.

import type { Claims, Direction } from '../claims.js';
import type { FromShard } from './messages.js';
import { Questions } from './questions.js';

export class ParentClaims implements Claims {
  readonly #tell: (message: FromShard) => void;
  readonly #asked = new Questions<number | undefined>();

  constructor(tell: (message: FromShard) => void) {
    this.#tell = tell;
  }

  take(direction: Direction, name: string): Promise<number | undefined> {
    return this.#asked.ask((request) => this.#tell({ kind: 'claim', request, direction, name }));
  }

  answered(request: number, id: number | undefined): void {
    this.#asked.answer(request, id);
  }

  release(id: number): void {
    this.#tell({ kind: 'release', id });
  }
}
