// The RAM blocks of a QEMU stream: names, sizes and numbers. A block enters the table by the list at setup, or by its first
// appearance. MAX_BLOCKS bounds the memory.

import { PAGE_BYTES } from '../../page/size.js';
import { readCounted } from './fields.js';
import { MAX_BLOCKS, PAGES_PER_BLOCK } from './format.js';

export interface RamBlock {
  /** Identity of the block's first page. */
  readonly base: number;
  /** Page numbers of the block are below this; PAGES_PER_BLOCK where no list gave its size. */
  readonly pages: number;
}

export class BlockTable {
  readonly #blocks = new Map<string, RamBlock>();
  /** The block that was found last, and its name in the stream, with its length in front. A stream names the same block again and again. */
  #last: RamBlock | undefined;
  #lastName = new Uint8Array(0);

  /**
   * Adds a block of `size` bytes. Where the list is sent again, the block gets the new size.
   * @returns undefined when there are too many blocks, or when the block has more pages than identities exist
   */
  add(name: string, size: number): RamBlock | undefined {
    const pages = Math.ceil(size / PAGE_BYTES);
    if (pages > PAGES_PER_BLOCK) return undefined;
    const known = this.#blocks.get(name);
    if (known === undefined && this.#blocks.size >= MAX_BLOCKS) return undefined;
    const block = { base: known?.base ?? this.#blocks.size * PAGES_PER_BLOCK, pages };
    this.#blocks.set(name, block);
    this.#last = undefined;
    return block;
  }

  /** The block of that name; adds it where no list named it. */
  find(name: string): RamBlock | undefined {
    return this.#blocks.get(name) ?? this.add(name, PAGES_PER_BLOCK * PAGE_BYTES);
  }

  /**
   * As find, for a name that is complete at `at`, behind its length.
   * @returns undefined when there are too many blocks
   */
  findAt(data: Uint8Array, at: number): RamBlock | undefined {
    if (this.#last !== undefined && beginsWith(data, at, this.#lastName)) return this.#last;
    const name = readCounted(data, at)!;
    const block = this.find(name);
    this.#last = block;
    this.#lastName = new Uint8Array(data.subarray(at, at + 1 + name.length));
    return block;
  }
}

function beginsWith(data: Uint8Array, at: number, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (data[at + i] !== bytes[i]) return false;
  return true;
}
