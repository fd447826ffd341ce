// The RAM blocks of a QEMU stream: names, sizes and numbers. Filled from the list at setup, or by first appearance.
// Memory is bounded by MAX_BLOCKS; what the blocks are for, it does not know.

import { PAGE_BYTES } from '../../page/size.js';
import { MAX_BLOCKS, PAGES_PER_BLOCK } from './format.js';

export interface RamBlock {
  /** Identity of the block's first page. */
  readonly base: number;
  /** Page numbers of the block are below this; PAGES_PER_BLOCK when its size was not told. */
  readonly pages: number;
}

export class BlockTable {
  readonly #blocks = new Map<string, RamBlock>();

  /**
   * Adds a block of `size` bytes, or finds it when the list is sent again (then its size is the new one).
   * @returns undefined when there are too many, or when the block is larger than any that can be addressed.
   */
  add(name: string, size: number): RamBlock | undefined {
    const pages = Math.ceil(size / PAGE_BYTES);
    if (pages > PAGES_PER_BLOCK) return undefined;
    const known = this.#blocks.get(name);
    if (known === undefined && this.#blocks.size >= MAX_BLOCKS) return undefined;
    const block = { base: known?.base ?? this.#blocks.size * PAGES_PER_BLOCK, pages };
    this.#blocks.set(name, block);
    return block;
  }

  /** The block of that name; one that no list has told is added. */
  find(name: string): RamBlock | undefined {
    return this.#blocks.get(name) ?? this.add(name, PAGES_PER_BLOCK * PAGE_BYTES);
  }
}
