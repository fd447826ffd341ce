// Old contents as a zstd dictionary beside XBZRLE: pages that a stream sends again, 256 at a time, coded in three ways,
// with the time of both ends. Neither is held back by the size of a store: every page's earlier contents are there. The
// dictionary of a chunk is the earlier contents of its pages, in their order. What is coded is decoded and compared.

import { closeSync, openSync, readSync } from 'node:fs';

import { loadModule } from '../../src/codec/binding.js';
import { estimateLiteral } from '../../src/page/estimate.js';
import { looksRewritten } from '../../src/page/rewritten.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { applyDelta, encodeDelta, PAGE_WORDS } from '../../src/page/xbzrle.js';
import { isZeroPage } from '../../src/page/zero.js';
import { walkPages } from '../support/stream-pages.js';

/** What we use of `zstd-napi/binding`: the one binding that offers dictionaries. */
interface Native {
  readonly CCtx: new () => {
    reset(directive: number): void;
    setParameter(parameter: number, value: number): void;
    loadDictionary(dictionary: Buffer): void;
    compress2(dst: Buffer, src: Buffer): number;
    compress(dst: Buffer, src: Buffer, level: number): number;
  };
  readonly DCtx: new () => {
    decompressUsingDict(dst: Buffer, src: Buffer, dictionary: Buffer): number;
    decompress(dst: Buffer, src: Buffer): number;
  };
  readonly CParameter: Readonly<Record<'compressionLevel' | 'hashLog' | 'windowLog', number>>;
  readonly ResetDirective: { readonly sessionAndParameters: number };
}

/** Pages of a chunk. */
const PAGES = 256;
const CHUNK = PAGES * PAGE_BYTES;
const NO_DICTIONARY = Buffer.alloc(0);
/** Level 1 itself remembers 2^14 places, of which a dictionary of 1 MiB leaves next to none. */
const HASH_LOG = 17;
/** The dictionary and the chunk. */
const WINDOW_LOG = 21;

/** Bytes, and nanoseconds of a thread at either end. */
export interface Coded {
  bytes: number;
  sender: number;
  receiver: number;
}

export interface Comparison {
  /** Pages sent again that are not zero, and how many of them had not changed. */
  pages: number;
  same: number;
  /** All of them whole; changed ones as XBZRLE has it, taken where the engine takes it; changed ones with a dictionary. */
  readonly whole: Coded;
  readonly delta: Coded;
  readonly dictionary: Coded;
}

/** @param level of zstd @throws Error where a way does not bring back what it was given */
export async function compareDictionary(stream: string, level: number): Promise<Comparison> {
  const contest = new Contest(level);
  const fd = openSync(stream, 'r');
  /** Identity → where in the stream its last contents are. */
  const last = new Map<number, number>();
  try {
    await walkPages(stream, ({ bytes, at, offset, count, identity }) => {
      if (identity < 0) return;
      for (let page = 0; page < count; page++) {
        const earlier = last.get(identity + page);
        last.set(identity + page, offset + page * PAGE_BYTES);
        if (earlier !== undefined) contest.page(fd, earlier, bytes, at + page * PAGE_BYTES);
      }
    });
  } finally {
    closeSync(fd);
  }
  contest.chunk();
  return contest.result;
}

class Contest {
  readonly result: Comparison;
  readonly #level: number;
  readonly #native: Native;
  readonly #compressor: InstanceType<Native['CCtx']>;
  readonly #decompressor: InstanceType<Native['DCtx']>;
  readonly #old = Buffer.from(new Int32Array(CHUNK / 4).buffer);
  readonly #now = Buffer.from(new Int32Array(CHUNK / 4).buffer);
  /** Words of both: a page's words are aligned. */
  readonly #oldWords = new Int32Array(this.#old.buffer);
  readonly #nowWords = new Int32Array(this.#now.buffer);
  readonly #body = Buffer.alloc(CHUNK);
  readonly #coded = Buffer.alloc(CHUNK * 2);
  readonly #back = Buffer.alloc(CHUNK);
  readonly #delta = Buffer.alloc(PAGE_BYTES);
  /** Of each changed page: the length of its delta, or -1. */
  readonly #lengths = new Int32Array(PAGES);
  #pages = 0;

  constructor(level: number) {
    const native = (this.#native = loadModule('zstd-napi/binding') as Native);
    this.#compressor = new native.CCtx();
    this.#decompressor = new native.DCtx();
    this.#level = level;
    const nothing = (): Coded => ({ bytes: 0, sender: 0, receiver: 0 });
    this.result = { pages: 0, same: 0, whole: nothing(), delta: nothing(), dictionary: nothing() };
  }

  page(fd: number, earlier: number, bytes: Buffer, at: number): void {
    if (isZeroPage(bytes, new DataView(bytes.buffer, bytes.byteOffset), at)) return;
    const to = this.#pages * PAGE_BYTES;
    readSync(fd, this.#old, to, PAGE_BYTES, earlier);
    bytes.copy(this.#now, to, at, at + PAGE_BYTES);
    this.result.pages++;
    if (++this.#pages === PAGES) this.chunk();
  }

  /** Codes the pages gathered so far, in each of the ways. */
  chunk(): void {
    const { whole, delta, dictionary } = this.result;
    this.#code(whole, this.#now.subarray(0, this.#pages * PAGE_BYTES), NO_DICTIONARY);
    // What has not changed travels in neither of the two other ways.
    this.#leaveOutSame();
    const changed = this.#now.subarray(0, this.#pages * PAGE_BYTES);
    this.#code(dictionary, changed, this.#old.subarray(0, changed.length));
    const started = now();
    const length = this.#differences();
    delta.sender += now() - started;
    this.#code(delta, this.#body.subarray(0, length), NO_DICTIONARY);
    this.#apply(delta);
    this.#pages = 0;
  }

  #leaveOutSame(): void {
    let kept = 0;
    for (let page = 0; page < this.#pages; page++) {
      const [from, to] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES];
      if (this.#old.compare(this.#now, from, to, from, to) === 0) continue;
      this.#old.copy(this.#old, kept * PAGE_BYTES, from, to);
      this.#now.copy(this.#now, kept * PAGE_BYTES, from, to);
      kept++;
    }
    this.result.same += this.#pages - kept;
    this.#pages = kept;
  }

  #code(way: Coded, source: Buffer, dictionary: Buffer): void {
    if (source.length === 0) return;
    const [started, coded] = [now(), this.#coded];
    const length =
      dictionary.length === 0
        ? this.#compressor.compress(coded, source, this.#level)
        : this.#compressWith(dictionary, coded, source);
    const sent = now();
    const frame = coded.subarray(0, length);
    const back = this.#back.subarray(0, source.length);
    if (dictionary.length === 0) this.#decompressor.decompress(back, frame);
    else this.#decompressor.decompressUsingDict(back, frame, dictionary);
    way.bytes += length;
    way.sender += sent - started;
    way.receiver += now() - sent;
    if (!back.equals(source)) throw new Error('a chunk does not come back as it was');
  }

  #compressWith(dictionary: Buffer, out: Buffer, source: Buffer): number {
    const { CParameter, ResetDirective } = this.#native;
    const compressor = this.#compressor;
    compressor.reset(ResetDirective.sessionAndParameters);
    compressor.setParameter(CParameter.compressionLevel, this.#level);
    compressor.setParameter(CParameter.hashLog, HASH_LOG);
    compressor.setParameter(CParameter.windowLog, WINDOW_LOG);
    compressor.loadDictionary(dictionary);
    return compressor.compress2(out, source);
  }

  /** Deltas where the engine takes one, and whole pages, one after the other as the body of a chunk. */
  #differences(): number {
    const view = new DataView(this.#now.buffer);
    let length = 0;
    for (let page = 0; page < this.#pages; page++) {
      const [at, first] = [page * PAGE_BYTES, page * PAGE_WORDS];
      const words = this.#nowWords.subarray(first, first + PAGE_WORDS);
      const bytes = this.#now.subarray(at, at + PAGE_BYTES);
      const limit = Math.min(estimateLiteral(this.#nowWords, first), PAGE_BYTES - 96);
      const size = looksRewritten(this.#oldWords, first, view, at)
        ? -1
        : encodeDelta(this.#oldWords, first, { words, bytes }, this.#delta, limit);
      this.#lengths[page] = size;
      (size < 0 ? bytes : this.#delta.subarray(0, size)).copy(this.#body, length);
      length += size < 0 ? PAGE_BYTES : size;
    }
    return length;
  }

  /** What the receiver does behind the codec. */
  #apply(way: Coded): void {
    const started = now();
    for (let page = 0, at = 0; page < this.#pages; page++) {
      const size = this.#lengths[page]!;
      const place = page * PAGE_BYTES;
      if (size < 0) this.#body.copy(this.#old, place, at, at + PAGE_BYTES);
      else applyDelta(this.#old, place, this.#body.subarray(at, at + size));
      at += size < 0 ? PAGE_BYTES : size;
    }
    way.receiver += now() - started;
    const length = this.#pages * PAGE_BYTES;
    if (this.#old.compare(this.#now, 0, length, 0, length) !== 0) throw new Error('a delta does not fit');
  }
}

/** Nanoseconds. */
function now(): number {
  return performance.now() * 1e6;
}
