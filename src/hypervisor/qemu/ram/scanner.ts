// Finds the pages of a guest's RAM that differ from their last sent copies, by a 64-bit hash of each copy.
// Scans on several threads and returns the findings in order of address. The tables of hashes take 0.21 % of RAM. Read-only.

import { randomBytes } from 'node:crypto';

import { RamferryError } from '../../../errors.js';
import { firstPages } from '../../../grammar/memory-format.js';
import { SCAN_ENTRY } from '../../../os/entries.js';
import { PAGE_BYTES } from '../../../page/size.js';
import { OrderedPool } from '../../../pool/ordered-pool.js';
import { slotBytes } from '../../../slot/layout.js';
import { BLOCK_PAGES, SCAN_MODE } from '../../../slot/scan-job.js';
import type { ScanStartUp } from '../../../slot/start-up.js';
import { KIB } from '../../../units.js';
import type { RamFile } from './ram-files.js';

/** Bytes that one job scans: small enough for a core's cache, large enough to outweigh the cost of a wake-up. */
const EXTENT_BYTES = 256 * KIB;
/** The output area carries a worker's error. */
const OUTPUT_BYTES = 4096;
/** Table bytes per page. */
const HASH_BYTES = 8;
/** Slots per thread: one in work, one waiting for a worker, one waiting to be handed out in order. */
const SLOTS_PER_THREAD = 3;

const GEOMETRY = {
  segments: EXTENT_BYTES / PAGE_BYTES,
  headroom: 0,
  input: EXTENT_BYTES,
  output: OUTPUT_BYTES,
} as const;

/** The differing pages of one extent. */
export interface Finding {
  readonly region: number;
  /** Page numbers within the region, ascending. */
  readonly numbers: readonly number[];
  /** Copies of these pages, concatenated; valid until the next finding is requested. */
  readonly pages: Uint8Array;
}

interface Extent {
  readonly region: number;
  readonly at: number;
  readonly length: number;
}

/** Bytes of memory of a scanner's threads and slots, without the tables. */
export function scannerBytes(threads: number, perThread: number): number {
  return threads * (perThread + SLOTS_PER_THREAD * slotBytes(GEOMETRY));
}

export class Scanner {
  readonly #files: readonly RamFile[];
  readonly #pool: OrderedPool;
  readonly #slots: number;
  readonly #firstPages: readonly number[];
  readonly #firstBlocks: readonly number[];
  /** Every page has been scanned once. */
  #complete = false;

  constructor(files: readonly RamFile[], threads: number) {
    this.#files = files;
    this.#firstPages = firstPages(files.map(({ size }) => size));
    const pages = files.reduce((sum, { size }) => sum + size / PAGE_BYTES, 0);
    let blocks = 0;
    this.#firstBlocks = files.map(({ size }) => {
      const before = blocks;
      blocks += Math.ceil(size / (BLOCK_PAGES * PAGE_BYTES));
      return before;
    });
    this.#slots = threads * SLOTS_PER_THREAD;
    const startUp: Omit<ScanStartUp, 'arena' | 'geometry' | 'ring'> = {
      maxChunk: EXTENT_BYTES,
      fd: -1,
      alignment: 1,
      zstdBinding: '',
      hashes: new SharedArrayBuffer(pages * HASH_BYTES),
      blocks: new SharedArrayBuffer(blocks * HASH_BYTES),
      seed: randomBytes(8).readBigUInt64LE(),
    };
    this.#pool = new OrderedPool({
      entry: SCAN_ENTRY,
      threads,
      geometry: { ...GEOMETRY, slots: this.#slots },
      startUp,
    });
  }

  /** One pass over RAM: all pages in the first pass, changed pages in later ones. Findings may be empty. */
  async *round(): AsyncGenerator<Finding, void> {
    for await (const { extent, changed, slot } of this.#pass(
      this.#complete ? SCAN_MODE.changed : SCAN_MODE.all,
    )) {
      const { segments, input } = this.#pool.slots[slot]!;
      const first = extent.at / PAGE_BYTES;
      yield {
        region: extent.region,
        numbers: Array.from(segments.subarray(0, changed), (page) => first + page),
        pages: input.subarray(0, changed * PAGE_BYTES),
      };
    }
    this.#complete = true;
  }

  /** The number of pages that now differ from their sent copies. */
  async differing(): Promise<number> {
    let sum = 0;
    for await (const { changed } of this.#pass(SCAN_MODE.compare)) sum += changed;
    return sum;
  }

  /** Ends the current pass: it rejects with this error. */
  fail(error: RamferryError): void {
    this.#pool.fail(error);
  }

  /** Ends the threads. No pass may be active, except one that was failed. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  async *#pass(mode: number): AsyncGenerator<{ extent: Extent; changed: number; slot: number }, void> {
    const extents = this.#extents();
    const ahead: Extent[] = [];
    let more = true;
    for (;;) {
      while (more && ahead.length < this.#slots) {
        const next = extents.next();
        if (next.done === true) more = false;
        else ahead.push(await this.#push(next.value, mode));
      }
      const extent = ahead.shift();
      if (extent === undefined) return;
      const slot = await this.#pool.next();
      if (slot === undefined) throw new RamferryError('ERR_INTERNAL', 'the scan has lost an extent');
      yield { extent, slot, changed: this.#pool.slots[slot]!.scan.changed };
      this.#pool.release(slot);
    }
  }

  async #push(extent: Extent, mode: number): Promise<Extent> {
    const slot = await this.#pool.acquire();
    const { scan } = this.#pool.slots[slot]!;
    scan.begin();
    scan.fd = this.#files[extent.region]!.fd;
    scan.inputLength = extent.length;
    scan.mode = mode;
    scan.readAt = extent.at;
    scan.firstPage = this.#firstPages[extent.region]! + extent.at / PAGE_BYTES;
    scan.firstBlock = this.#firstBlocks[extent.region]! + extent.at / (BLOCK_PAGES * PAGE_BYTES);
    this.#pool.push(slot);
    return extent;
  }

  *#extents(): Generator<Extent, void> {
    for (const [region, { size }] of this.#files.entries()) {
      for (let at = 0; at < size; at += EXTENT_BYTES) {
        yield { region, at, length: Math.min(EXTENT_BYTES, size - at) };
      }
    }
  }
}
