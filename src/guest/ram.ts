// A guest's RAM: pages by number, in segments that are only made when something is written to them.
// Promises that memory never exceeds the limit it was given; knows no dirty pages, no hypervisor and no stream.

import { Buffer } from 'node:buffer';
import { open, type FileHandle } from 'node:fs/promises';
import { RunningChecksum } from '../chunk/checksum.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { PAGE_SIZE } from '../grammar/grammar.js';
import { isZeroPage } from '../page/zero.js';
import { checkRamSize, generateImage, type ImageOptions } from './image.js';

const SEGMENT_PAGES = 1024;
const SEGMENT_BYTES = SEGMENT_PAGES * PAGE_SIZE;
const ZERO_SEGMENT = Buffer.alloc(SEGMENT_BYTES);

interface Segment {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export class GuestRam {
  readonly #segments: (Segment | undefined)[] = [];
  readonly #limitPages: number;
  #pages: number;

  /**
   * @param pages the size at first, all zero
   * @param limitPages how far {@link grow} may go; without it the size is fixed
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

  /** One page to write to: 4096 bytes, valid as long as this object. */
  page(index: number): Buffer {
    const segment = this.#make(this.#segmentOf(index));
    const at = (index % SEGMENT_PAGES) * PAGE_SIZE;
    return segment.bytes.subarray(at, at + PAGE_SIZE);
  }

  /** Copies one page; costs no memory where nothing was written. */
  copyPage(index: number, target: Buffer, at: number): void {
    const segment = this.#segments[this.#segmentOf(index)];
    if (segment === undefined) {
      target.fill(0, at, at + PAGE_SIZE);
      return;
    }
    const from = (index % SEGMENT_PAGES) * PAGE_SIZE;
    segment.bytes.copy(target, at, from, from + PAGE_SIZE);
  }

  isZero(index: number): boolean {
    const segment = this.#segments[this.#segmentOf(index)];
    return (
      segment === undefined || isZeroPage(segment.bytes, segment.view, (index % SEGMENT_PAGES) * PAGE_SIZE)
    );
  }

  /** Makes a page zero; costs no memory where nothing was written. */
  clear(index: number): void {
    if (this.#segments[this.#segmentOf(index)] !== undefined) this.page(index).fill(0);
  }

  /** Writes bytes from a page on. They must lie within RAM. */
  write(page: number, bytes: Uint8Array): void {
    if (page * PAGE_SIZE + bytes.length > this.#pages * PAGE_SIZE) {
      throw new RangeError(`pages from ${page} on do not hold ${bytes.length} bytes`);
    }
    let position = page * PAGE_SIZE;
    for (let from = 0; from < bytes.length;) {
      const at = position % SEGMENT_BYTES;
      const length = Math.min(bytes.length - from, SEGMENT_BYTES - at);
      this.#make(Math.floor(position / SEGMENT_BYTES)).bytes.set(bytes.subarray(from, from + length), at);
      position += length;
      from += length;
    }
  }

  /** The contents in order, in pieces of at most 4 MiB that must not be changed. */
  *pieces(): Generator<Buffer, void, undefined> {
    for (let first = 0; first < this.#pages; first += SEGMENT_PAGES) {
      const bytes = this.#segments[first / SEGMENT_PAGES]?.bytes ?? ZERO_SEGMENT;
      yield bytes.subarray(0, Math.min(SEGMENT_PAGES, this.#pages - first) * PAGE_SIZE);
    }
  }

  /** XXH64 over all pages in order: equal for equal RAM, whatever was written to. */
  hash(): bigint {
    const sum = new RunningChecksum();
    for (const piece of this.pieces()) sum.update(piece);
    return sum.digest();
  }

  #segmentOf(index: number): number {
    if (!(index >= 0 && index < this.#pages)) throw new RangeError(`page ${index} of ${this.#pages}`);
    return Math.floor(index / SEGMENT_PAGES);
  }

  #make(number: number): Segment {
    const made = this.#segments[number];
    if (made !== undefined) return made;
    const bytes = Buffer.alloc(SEGMENT_BYTES);
    const segment = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    this.#segments[number] = segment;
    return segment;
  }
}

/** @throws RamferryError ERR_OPTION_INVALID for a size that is not a whole number of pages */
export function generatedRam(options: ImageOptions): GuestRam {
  checkRamSize(options.bytes);
  const ram = new GuestRam(options.bytes / PAGE_SIZE, Infinity);
  let page = 0;
  for (const chunk of generateImage(options)) {
    ram.write(page, chunk);
    page += chunk.length / PAGE_SIZE;
  }
  return ram;
}

/**
 * RAM with the contents of an image file.
 * @throws RamferryError ERR_INPUT_OPEN, ERR_INPUT_READ, ERR_INPUT_CHANGED, or ERR_OPTION_INVALID when it is no whole
 *   number of pages
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
  const ram = new GuestRam(size / PAGE_SIZE, Infinity);
  const chunk = Buffer.alloc(SEGMENT_BYTES);
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length - (at % PAGE_SIZE), at);
    if (bytesRead === 0) {
      throw new RamferryError('ERR_INPUT_CHANGED', `${path} became shorter while it was read`, {
        offset: at,
      });
    }
    // A read may end inside a page: the rest of that page is read again.
    const whole = bytesRead - (bytesRead % PAGE_SIZE);
    for (let from = 0; from < whole; from += PAGE_SIZE) {
      const page = chunk.subarray(from, from + PAGE_SIZE);
      if (page.compare(ZERO_SEGMENT, 0, PAGE_SIZE) !== 0) ram.write((at + from) / PAGE_SIZE, page);
    }
    at += whole;
  }
  return ram;
}
