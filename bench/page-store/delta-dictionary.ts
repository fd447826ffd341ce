// Compares earlier contents as a zstd dictionary with XBZRLE: pages that a stream sends again, 256 at a time, coded in
// three ways, with the time of both ends. The page store has no size limit here, so the earlier contents of every page
// are available. A chunk's dictionary is the earlier contents of its pages, in order. All output is decoded and compared.

import { closeSync, openSync, readSync } from 'node:fs';

import { loadModule } from '../../src/codec/binding.js';
import { estimateLiteral } from '../../src/page/estimate.js';
import { looksRewritten } from '../../src/page/rewritten.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { applyDelta, encodeDelta, PAGE_WORDS } from '../../src/page/xbzrle.js';
import { isZeroPage } from '../../src/page/zero.js';
import { walkPages } from '../support/stream-pages.js';

/** The part of `zstd-napi/binding` that this suite uses. No other binding offers dictionaries. */
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
/** zstd level 1 has a hash table of 2^14 positions. A dictionary of 1 MiB would overwrite nearly all of them. */
const HASH_LOG = 17;
/** log2 of the window, which holds the dictionary and the chunk. */
const WINDOW_LOG = 21;

/** Coded bytes, and nanoseconds of one thread at either end. */
export interface Coded {
  bytes: number;
  sender: number;
  receiver: number;
}

export interface Comparison {
  /** Non-zero pages that are sent again, and the number of unchanged ones among them. */
  pages: number;
  same: number;
  /** All pages whole; changed pages as XBZRLE deltas where the engine uses one; changed pages with a dictionary. */
  readonly whole: Coded;
  readonly delta: Coded;
  readonly dictionary: Coded;
}

/** @param level zstd level @throws Error when a way does not restore its input */
export async function compareDictionary(stream: string, level: number): Promise<Comparison> {
  const contest = new Contest(level);
  const fd = openSync(stream, 'r');
  /** Stream offset of the last contents, by page identity. */
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
  /** Old and new pages as words, which are aligned. */
  readonly #oldWords = new Int32Array(this.#old.buffer);
  readonly #nowWords = new Int32Array(this.#now.buffer);
  readonly #body = Buffer.alloc(CHUNK);
  readonly #coded = Buffer.alloc(CHUNK * 2);
  readonly #back = Buffer.alloc(CHUNK);
  readonly #delta = Buffer.alloc(PAGE_BYTES);
  /** Length of each changed page's delta, or -1. */
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

  /** Codes the collected pages in each of the ways. */
  chunk(): void {
    const { whole, delta, dictionary } = this.result;
    this.#code(whole, this.#now.subarray(0, this.#pages * PAGE_BYTES), NO_DICTIONARY);
    // The two other ways send no unchanged page.
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

  /** Writes the body of a chunk: deltas where the engine uses one, otherwise whole pages. */
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

  /** The receiver's work after decompression. */
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

/** The time in nanoseconds. */
function now(): number {
  return performance.now() * 1e6;
}
