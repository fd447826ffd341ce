// A guest's RAM: pages by number, in segments that are allocated at the first write.
// Promises that RAM never exceeds its limit; knows no dirty pages, no hypervisor and no stream.

import { Buffer } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { RunningChecksum } from '../chunk/checksum.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import { isZeroPage } from '../page/zero.js';
import { checkRamSize, generateImage, type ImageOptions } from '../image/image.js';

const SEGMENT_PAGES = 1024;
const SEGMENT_BYTES = SEGMENT_PAGES * PAGE_BYTES;
const ZERO_SEGMENT = Buffer.alloc(SEGMENT_BYTES);

interface Segment {
  readonly bytes: Buffer;
  readonly view: DataView;
  /**
   * 1 for pages that were handed out or written. The other pages are zero and take no memory yet: the kernel allocates
   * at the first touch, which is the most expensive part of filling RAM.
   */
  readonly touched: Uint8Array;
}

export class GuestRam {
  readonly #segments: (Segment | undefined)[] = [];
  readonly #limitPages: number;
  #pages: number;

  /**
   * @param pages initial size; all pages are zero
   * @param limitPages largest size for {@link grow}; by default the size is fixed
   */
  constructor(pages: number, limitPages = pages) {
    this.#pages = pages;
    this.#limitPages = limitPages;
  }

  /** Size in pages of 4096 bytes. */
  get pages(): number {
    return this.#pages;
  }

  /**
   * Makes RAM at least this large.
   * @throws RamferryError ERR_STREAM_LIMIT beyond the limit
   */
  grow(pages: number): void {
    if (pages <= this.#pages) return;
    if (pages > this.#limitPages) {
      throw new RamferryError(
        'ERR_STREAM_LIMIT',
        `the guest needs ${pages} pages of RAM, the limit is ${this.#limitPages}`,
        { hint: 'raise the limit of guest RAM if the stream can be trusted' },
      );
    }
    this.#pages = pages;
  }

  /** One writable page: 4096 bytes, valid as long as this object. */
  page(index: number): Buffer {
    const segment = this.#make(this.#segmentOf(index));
    const within = index % SEGMENT_PAGES;
    segment.touched[within] = 1;
    return segment.bytes.subarray(within * PAGE_BYTES, (within + 1) * PAGE_BYTES);
  }

  /** Overwrites one page with 4096 bytes at source[at]. */
  setPage(index: number, source: Buffer, at: number): void {
    const segment = this.#make(this.#segmentOf(index));
    const within = index % SEGMENT_PAGES;
    segment.touched[within] = 1;
    source.copy(segment.bytes, within * PAGE_BYTES, at, at + PAGE_BYTES);
  }

  /** Copies one page; allocates nothing for an unwritten page. */
  copyPage(index: number, target: Buffer, at: number): void {
    const segment = this.#touchedSegment(index);
    if (segment === undefined) {
      target.fill(0, at, at + PAGE_BYTES);
      return;
    }
    const from = (index % SEGMENT_PAGES) * PAGE_BYTES;
    segment.bytes.copy(target, at, from, from + PAGE_BYTES);
  }

  isZero(index: number): boolean {
    const segment = this.#touchedSegment(index);
    return (
      segment === undefined || isZeroPage(segment.bytes, segment.view, (index % SEGMENT_PAGES) * PAGE_BYTES)
    );
  }

  /** Makes a page zero; allocates nothing for an unwritten page. */
  clear(index: number): void {
    if (this.#touchedSegment(index) !== undefined) this.page(index).fill(0);
  }

  /** Writes whole pages, the first at `page`; zero pages take no memory. The pages must lie within RAM. */
  write(page: number, bytes: Buffer): void {
    const pages = bytes.length / PAGE_BYTES;
    if (!Number.isInteger(pages) || page + pages > this.#pages) {
      throw new RangeError(`pages from ${page} on do not hold ${bytes.length} bytes`);
    }
    for (let i = 0; i < pages; i++) {
      const at = i * PAGE_BYTES;
      if (bytes.compare(ZERO_SEGMENT, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) this.clear(page + i);
      else this.setPage(page + i, bytes, at);
    }
  }

  /** The contents in order, in pieces of at most 4 MiB. The caller must not change them. */
  *pieces(): Generator<Buffer, void, undefined> {
    for (let first = 0; first < this.#pages; first += SEGMENT_PAGES) {
      const bytes = this.#segments[first / SEGMENT_PAGES]?.bytes ?? ZERO_SEGMENT;
      yield bytes.subarray(0, Math.min(SEGMENT_PAGES, this.#pages - first) * PAGE_BYTES);
    }
  }

  /** XXH64 over all pages in order: equal for equal contents, whichever pages are allocated. */
  hash(): bigint {
    const sum = new RunningChecksum();
    for (const piece of this.pieces()) sum.update(piece);
    return sum.digest();
  }

  #segmentOf(index: number): number {
    if (!(index >= 0 && index < this.#pages)) throw new RangeError(`page ${index} of ${this.#pages}`);
    return Math.floor(index / SEGMENT_PAGES);
  }

  /** The segment of a touched page; undefined for an untouched page, which is zero. */
  #touchedSegment(index: number): Segment | undefined {
    const segment = this.#segments[this.#segmentOf(index)];
    return segment?.touched[index % SEGMENT_PAGES] === 1 ? segment : undefined;
  }

  #make(number: number): Segment {
    const made = this.#segments[number];
    if (made !== undefined) return made;
    const bytes = Buffer.alloc(SEGMENT_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const segment = { bytes, view, touched: new Uint8Array(SEGMENT_PAGES) };
    this.#segments[number] = segment;
    return segment;
  }
}

/** @throws RamferryError ERR_OPTION_INVALID for a size that is not a whole number of pages */
export function generatedRam(options: ImageOptions): GuestRam {
  checkRamSize(options.bytes);
  const ram = new GuestRam(options.bytes / PAGE_BYTES, Infinity);
  let page = 0;
  for (const chunk of generateImage(options)) {
    ram.write(page, Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    page += chunk.length / PAGE_BYTES;
  }
  return ram;
}

/**
 * RAM with the contents of an image file.
 * @throws RamferryError ERR_INPUT_OPEN, ERR_INPUT_READ, ERR_INPUT_CHANGED, or ERR_OPTION_INVALID when the file is no
 *   whole number of pages
 */
export async function loadRam(path: string): Promise<GuestRam> {
  const file = await open(path, 'r').catch((thrown: unknown) => {
    throw toRamferryError(thrown, 'ERR_INPUT_OPEN', `cannot open ${path}`);
  });
  try {
    return await readRam(file, path);
  } catch (thrown) {
    throw toRamferryError(thrown, 'ERR_INPUT_READ', `cannot read ${path}`);
  } finally {
    await file.close();
  }
}

async function readRam(file: FileHandle, path: string): Promise<GuestRam> {
  const { size } = await file.stat();
  checkRamSize(size);
  const ram = new GuestRam(size / PAGE_BYTES, Infinity);
  const chunk = Buffer.alloc(SEGMENT_BYTES);
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length - (at % PAGE_BYTES), at);
    if (bytesRead === 0) {
      throw new RamferryError('ERR_INPUT_CHANGED', `${path} became shorter while it was read`, {
        offset: at,
      });
    }
    // A read may end inside a page. The next read then begins at that page again.
    const whole = bytesRead - (bytesRead % PAGE_BYTES);
    ram.write(at / PAGE_BYTES, chunk.subarray(0, whole));
    at += whole;
  }
  return ram;
}
