// The claims of a shard: its parent knows the guests of all shards, and numbers their transfers.

import type { Claims, Direction } from '../claims.js';
import type { FromShard } from './messages.js';

export class ParentClaims implements Claims {
  readonly #tell: (message: FromShard) => void;
  readonly #asked = new Map<number, (id: number | undefined) => void>();
  #next = 1;

  constructor(tell: (message: FromShard) => void) {
    this.#tell = tell;
  }

  take(direction: Direction, name: string): Promise<number | undefined> {
    const request = this.#next++;
    return new Promise((resolve) => {
      this.#asked.set(request, resolve);
      this.#tell({ kind: 'claim', request, direction, name });
    });
  }

  answered(request: number, id: number | undefined): void {
    this.#asked.get(request)?.(id);
    this.#asked.delete(request);
  }

  release(id: number): void {
    this.#tell({ kind: 'release', id });
  }
}
