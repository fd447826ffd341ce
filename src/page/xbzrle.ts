// The difference of a page to its earlier contents, in the form of QEMU's XBZRLE: (bytes that are equal, bytes that differ, the
// new bytes), repeated; both numbers as LEB128. The bytes behind the last run are unchanged.
// Pure functions over 4096 bytes. The decoder never writes outside its page, whatever the delta says.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { copyBytes } from './copy.js';
import { PAGE_BYTES } from './size.js';

export const PAGE_WORDS = PAGE_BYTES / 4;

/** Shorter runs are copied byte by byte: a call of memcpy costs more. */
const SHORT_RUN_BYTES = 48;

/** Longest encoding of a length: lengths are at most 4096. */
const LENGTH_BYTES = 2;

/** A page where its words are aligned: the same memory as words and as bytes. */
export interface AlignedPage {
  readonly words: Int32Array;
  readonly bytes: Buffer;
}

/**
 * Encodes the difference between two pages.
 * Equal bytes within a run of words that all differ are part of the run: to break the run would cost as much.
 * @param old the page as it was, 1024 words from `oldAt` on
 * @param now the page as it is
 * @param limit most bytes of the delta
 * @returns bytes written at the start of `out`, 0 when the pages are equal, -1 when there would have been more than `limit`
 */
export function encodeDelta(
  old: Int32Array,
  oldAt: number,
  { words: now, bytes: nowBytes }: AlignedPage,
  out: Buffer,
  limit: number,
): number {
  let end = 0;
  /** First byte behind the last run. */
  let done = 0;
  for (let word = 0; word < PAGE_WORDS;) {
    if (old[oldAt + word] === now[word]) {
      word++;
      continue;
    }
    const start = word * 4 + firstByte(old[oldAt + word]! ^ now[word]!);
    do word++;
    while (word < PAGE_WORDS && old[oldAt + word] !== now[word]);
    const stop = word * 4 - lastBytes(old[oldAt + word - 1]! ^ now[word - 1]!);
    if (end + 2 * LENGTH_BYTES + stop - start > limit) return -1;
    end = writeLength(out, end, start - done);
    end = writeLength(out, end, stop - start);
    if (stop - start < SHORT_RUN_BYTES)
      for (let byte = start; byte < stop; byte++) out[end++] = nowBytes[byte]!;
    else {
      copyBytes(out, end, nowBytes, start, stop);
      end += stop - start;
    }
    done = stop;
  }
  return end;
}

/** Bytes of a little-endian word before its first that is not zero. */
function firstByte(word: number): number {
  return (31 - Math.clz32(word & -word)) >>> 3;
}

/** Bytes of a little-endian word after its last that is not zero. */
function lastBytes(word: number): number {
  return Math.clz32(word) >>> 3;
}

function writeLength(out: Buffer, at: number, length: number): number {
  if (length < 0x80) {
    out[at] = length;
    return at + 1;
  }
  out[at] = (length & 0x7f) | 0x80;
  out[at + 1] = length >>> 7;
  return at + 2;
}

function wrong(what: string): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `a page's delta ${what}`);
}

/**
 * Turns the page at page[at, at + 4096), which holds the old contents, into the new ones.
 * @param delta exactly the bytes of the delta
 * @throws ERR_STREAM_FORMAT on anything that encodeDelta cannot have written
 */
export function applyDelta(page: Buffer, at: number, delta: Uint8Array): void {
  let read = 0;
  let done = 0;

  const length = (): number => {
    const low = delta[read++];
    if (low === undefined) throw wrong('ends within a run');
    if (low < 0x80) return low;
    const high = delta[read++];
    if (high === undefined) throw wrong('ends within a run');
    if (high === 0 || high > PAGE_BYTES >>> 7) throw wrong('has a length that no page has');
    return (low & 0x7f) + high * 0x80;
  };

  if (delta.length === 0) throw wrong('is empty');
  while (read < delta.length) {
    const equal = length();
    const differ = length();
    if (differ === 0 || (equal === 0 && done > 0)) throw wrong('has an empty run');
    const start = done + equal;
    if (start + differ > PAGE_BYTES) throw wrong('overruns its page');
    if (differ > delta.length - read) throw wrong('ends within a run');
    if (differ < SHORT_RUN_BYTES)
      for (let byte = 0; byte < differ; byte++) page[at + start + byte] = delta[read + byte]!;
    else copyBytes(page, at + start, delta, read, read + differ);
    read += differ;
    done = start + differ;
  }
}
