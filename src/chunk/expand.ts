// Last step of a decoding: operations and content back to the bytes of the stream.
// Checks everything it is told (lengths, distances, counts) and throws ERR_STREAM_FORMAT; it never writes outside
// the chunk it was given.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { copyBytes } from '../page/copy.js';
import { PAGE_BYTES } from '../page/zero.js';
import { OP, OperationReader } from './operations.js';
import { readWords } from './words.js';

export interface PageCounts {
  zero: number;
  literal: number;
  duplicate: number;
}

function wrong(what: string): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `a chunk's operations ${what}`);
}

/** Expands chunks one after the other; owns the table of where each page lies. */
export class Expander {
  readonly #pageAt: Int32Array;

  /** @param maxPages most pages that one chunk can hold */
  constructor(maxPages: number) {
    this.#pageAt = new Int32Array(maxPages);
  }

  /**
   * @param out exactly the decoded length; need not be zeroed
   * @returns pages by encoding, for comparison with the record's header
   */
  expand(operations: Uint8Array, content: Buffer, out: Buffer): PageCounts {
    const counts: PageCounts = { zero: 0, literal: 0, duplicate: 0 };
    const words = { high: 0, low: 0 };
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    const reader = new OperationReader(operations);
    let taken = 0;
    let at = 0;
    let page = 0;

    /** Room for `bytes` more bytes of output; the offset after them. */
    const reserve = (bytes: number): number => {
      if (bytes > out.length - at) throw wrong('produce more than its decoded length');
      return at + bytes;
    };
    const place = (count: number): void => {
      if (count > this.#pageAt.length - page) throw wrong('name more pages than a chunk can hold');
      for (let index = 0; index < count; index++) this.#pageAt[page++] = at + index * PAGE_BYTES;
    };
    const copyContent = (bytes: number): void => {
      const end = reserve(bytes);
      if (bytes > content.length - taken) throw wrong('take more content than there is');
      copyBytes(out, at, content, taken, taken + bytes);
      taken += bytes;
      at = end;
    };

    while (reader.next()) {
      const { kind, count } = reader;
      switch (kind) {
        case OP.bytes:
          copyContent(count);
          break;
        case OP.literal:
          reserve(count * PAGE_BYTES);
          place(count);
          copyContent(count * PAGE_BYTES);
          counts.literal += count;
          break;
        case OP.zero: {
          const end = reserve(count * PAGE_BYTES);
          place(count);
          out.fill(0, at, end);
          at = end;
          counts.zero += count;
          break;
        }
        case OP.duplicate: {
          const distance = reader.number();
          if (distance < 1 || distance > page) throw wrong('repeat a page that is not there');
          const end = reserve(count * PAGE_BYTES);
          place(count);
          for (let index = page - count; index < page; index++) {
            const from = this.#pageAt[index - distance] ?? 0;
            copyBytes(out, this.#pageAt[index]!, out, from, from + PAGE_BYTES);
          }
          at = end;
          counts.duplicate += count;
          break;
        }
        case OP.progressionLE:
        case OP.progressionBE:
        case OP.listLE:
        case OP.listBE:
          at += readWords(reader, words, view, at);
          break;
        default:
          throw wrong(`have an unknown kind (${kind})`);
      }
    }
    if (at !== out.length) throw wrong('produce less than its decoded length');
    if (taken !== content.length) throw wrong('leave content over');
    return counts;
  }
}
