// The destination's sink: takes the decoded stream of `ramferry migrate` (grammar/memory-format.ts), writes each page to its
// place in the RAM files, and passes device state on. Checks every field of the stream against the files before it uses it.
// The files are QEMU's: this code does not create, resize or close them.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import {
  MEMORY_FLAG_HASH,
  MEMORY_FLAG_MATCHED,
  MEMORY_HEADER_BYTES,
  MEMORY_RECORD,
  MEMORY_RECORD_BYTES,
  readMemoryHeader,
  readMemoryRecord,
} from '../../grammar/memory-format.js';
import { PlainSink } from '../../io/plain-sink.js';
import { writeExactlyAt } from '../../io/file/positioned.js';
import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import type { RamFile } from './ram/ram-files.js';

export interface ApplierHooks {
  /** The source has not matched its regions to the destination's backends. @throws where a match is required */
  unmatched(): void;
  /** All of RAM is written. */
  ramComplete(): Promise<void>;
  /** A piece of the device state, valid until the promise settles. */
  state(bytes: Uint8Array): Promise<void>;
}

export class Applier extends PlainSink {
  readonly label = 'the RAM files';
  readonly #files: readonly RamFile[];
  readonly #hooks: ApplierHooks;
  /** For fresh files: one bit for each page that was written. Undefined: all pages of the file count as written. */
  readonly #written: readonly (Uint8Array | undefined)[];
  /** Bytes of an incomplete item: a header or page numbers. */
  #pending = Buffer.alloc(0);
  /** Length of the current item. */
  #wanted = MEMORY_HEADER_BYTES;
  #read: (item: Buffer) => void = (item) => this.#header(item);
  /** Page numbers of the current record; those from #next on have not come. */
  #numbers: number[] = [];
  #next = 0;
  #region = 0;
  /** A page that is split between two chunks. */
  readonly #page = Buffer.alloc(PAGE_BYTES);
  #pageFill = 0;
  #stateLeft = 0;
  #ramComplete = false;
  #announce = false;
  #ended = false;
  /** Received rounds, the last one included. */
  rounds = 0;
  /** The source wants to compare RAM before the handover. */
  hashWanted = false;
  /** The source has matched its regions to the destination's backends. */
  matched = false;

  constructor(files: readonly RamFile[], hooks: ApplierHooks) {
    super();
    this.#files = files;
    this.#hooks = hooks;
    this.#written = files.map(({ fresh, size }) =>
      fresh ? new Uint8Array(Math.ceil(size / PAGE_BYTES / 8)) : undefined,
    );
  }

  /** The END record was seen. */
  get complete(): boolean {
    return this.#ended;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    while (rest.length > 0) {
      if (this.#ended) throw broken('bytes follow its end');
      if (this.#stateLeft > 0) {
        const piece = rest.subarray(0, this.#stateLeft);
        await this.#hooks.state(piece);
        this.#stateLeft -= piece.length;
        rest = rest.subarray(piece.length);
      } else if (this.#next < this.#numbers.length) {
        rest = rest.subarray(this.#pages(rest));
      } else {
        rest = rest.subarray(this.#item(rest));
        if (this.#announce) {
          this.#announce = false;
          await this.#hooks.ramComplete();
        }
      }
    }
  }

  /** Takes the missing bytes of the current item. @returns bytes used */
  #item(bytes: Buffer): number {
    const used = Math.min(this.#wanted - this.#pending.length, bytes.length);
    this.#pending = Buffer.concat([this.#pending, bytes.subarray(0, used)]);
    if (this.#pending.length < this.#wanted) return used;
    const item = this.#pending;
    this.#pending = Buffer.alloc(0);
    this.#read(item);
    return used;
  }

  #expect(bytes: number, read: (item: Buffer) => void): void {
    this.#wanted = bytes;
    this.#read = read;
  }

  #expectRecord(): void {
    this.#expect(MEMORY_RECORD_BYTES, (item) => this.#record(item));
  }

  #header(item: Buffer): void {
    const { regions, flags } = readMemoryHeader(item);
    this.hashWanted = (flags & MEMORY_FLAG_HASH) !== 0;
    this.matched = (flags & MEMORY_FLAG_MATCHED) !== 0;
    if (!this.matched) this.#hooks.unmatched();
    else if (this.#files.some(({ backend }) => backend === undefined)) {
      throw broken('it matches memory backends that the destination has not announced');
    }
    this.#expect(regions * 8, (sizes) => {
      const told = Array.from({ length: regions }, (_, index) => Number(sizes.readBigUInt64LE(index * 8)));
      const own = this.#files.map(({ size }) => size);
      if (told.join() !== own.join()) {
        throw new RamferryError(
          'ERR_GUEST_RAM',
          `the source's RAM files have ${told.join(', ')} bytes, those here ${own.join(', ')}`,
          { hint: 'start the destination with the same memory, and name its files in the same order' },
        );
      }
      this.#expectRecord();
    });
  }

  #record(item: Buffer): void {
    const record = readMemoryRecord(item);
    if (record === undefined) throw broken('unknown record');
    const { type, region, count } = record;
    if (region >= this.#files.length) throw broken(`there is no region ${region}`);
    switch (type) {
      case MEMORY_RECORD.pages:
        if (this.#ramComplete) throw broken('pages follow the end of RAM');
        this.#region = region;
        if (count > 0) this.#expect(count * 8, (numbers) => this.#pageNumbers(numbers));
        return;
      case MEMORY_RECORD.round:
        this.rounds++;
        return;
      case MEMORY_RECORD.ramEnd:
        if (this.#ramComplete) throw broken('RAM ends twice');
        this.rounds++;
        this.#ramComplete = true;
        this.#announce = true;
        return;
      case MEMORY_RECORD.state:
        if (!this.#ramComplete) throw broken('device state comes before the end of RAM');
        this.#stateLeft = count;
        return;
      case MEMORY_RECORD.end:
        if (!this.#ramComplete) throw broken('it ends before RAM does');
        this.#ended = true;
    }
  }

  #pageNumbers(item: Buffer): void {
    const pages = this.#files[this.#region]!.size / PAGE_BYTES;
    const numbers: number[] = [];
    for (let at = 0; at < item.length; at += 8) {
      const number = Number(item.readBigUInt64LE(at));
      if (number >= pages) throw broken(`region ${this.#region} has no page ${number}`);
      numbers.push(number);
    }
    this.#numbers = numbers;
    this.#next = 0;
    this.#expectRecord();
  }

  /** @returns bytes used */
  #pages(bytes: Buffer): number {
    if (this.#pageFill > 0 || bytes.length < PAGE_BYTES) {
      const used = bytes.copy(this.#page, this.#pageFill, 0, PAGE_BYTES - this.#pageFill);
      this.#pageFill += used;
      if (this.#pageFill === PAGE_BYTES) {
        this.#pageFill = 0;
        this.#place(this.#page);
      }
      return used;
    }
    const whole = Math.min(Math.floor(bytes.length / PAGE_BYTES), this.#numbers.length - this.#next);
    const used = whole * PAGE_BYTES;
    this.#place(bytes.subarray(0, used));
    return used;
  }

  /** Writes whole pages to the places of the next numbers; adjacent pages in one write. */
  #place(bytes: Buffer): void {
    const { fd } = this.#files[this.#region]!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isHole = (number: number, at: number): boolean =>
      this.#isUntouched(number) && isZeroPage(bytes, view, at);
    for (let at = 0; at < bytes.length;) {
      const number = this.#numbers[this.#next]!;
      if (isHole(number, at)) {
        this.#next++;
        at += PAGE_BYTES;
        continue;
      }
      let count = 1;
      while (
        at + count * PAGE_BYTES < bytes.length &&
        this.#numbers[this.#next + count] === number + count &&
        !isHole(number + count, at + count * PAGE_BYTES)
      ) {
        count++;
      }
      writeExactlyAt(fd, bytes.subarray(at, at + count * PAGE_BYTES), number * PAGE_BYTES);
      this.#mark(number, count);
      this.#next += count;
      at += count * PAGE_BYTES;
    }
  }

  /** A zero page may stay a hole only where no page was ever written; anywhere else it must overwrite the old contents. */
  #isUntouched(number: number): boolean {
    const written = this.#written[this.#region];
    return written !== undefined && (written[number >>> 3]! & (1 << (number & 7))) === 0;
  }

  #mark(first: number, count: number): void {
    const written = this.#written[this.#region];
    if (written === undefined) return;
    for (let number = first; number < first + count; number++) {
      written[number >>> 3]! |= 1 << (number & 7);
    }
  }
}

function broken(why: string): RamferryError {
  return new RamferryError('ERR_STREAM_FORMAT', `the guest memory stream is damaged: ${why}`, {
    hint: 'the migration must be repeated',
  });
}
