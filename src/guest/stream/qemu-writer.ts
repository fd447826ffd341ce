// Writes a guest as QEMU 7.2 does: stream version 3, one START, PARTs for the live rounds, END for the last, devices,
// the description. Takes RAM and a machine; the bytes depend only on these, on the rounds and on the options.

import { Buffer } from 'node:buffer';
import type { ByteSink } from '../../io/bytes.js';
import { QEMU_MAGIC } from '../../grammar/magics.js';
import { command, counted, sectionFooter, sectionHead, u32, word } from '../../grammar/qemu/fields.js';
import { COMMAND, FILE_VERSION, RAM_FLAG, RAM_SECTION, SECTION } from '../../grammar/qemu/format.js';
import { PAGE_BYTES } from '../../page/size.js';
import { machinePages, type QemuMachine } from './qemu-machine.js';
import type { GuestRam } from '../ram.js';
import { BATCH_PAGES, CountingSink, type StreamWriter } from './stream-writer.js';
import { writeTrailer, type Trailer } from './trailer.js';

/** Bytes of one iteration at QEMU's default max-bandwidth: 128 MiB/s for 100 ms. */
const DEFAULT_PART_BYTES = 13_421_773;

export interface QemuWriterOptions {
  /** A PART ends with the page after which its words and pages have at least this many bytes. */
  readonly partBytes?: number;
  /** Announces a return path, as QEMU does with the capability `return-path`. */
  readonly returnPath?: boolean;
}

interface Block {
  readonly first: number;
  readonly end: number;
  readonly name: Buffer;
}

/** Upper bound for one page: section header, word, block name, page, end of section. */
const MAX_BYTES_PER_PAGE = 5 + 8 + 256 + PAGE_BYTES + 13;

export class QemuWriter implements StreamWriter {
  readonly frames: number;
  readonly #out: CountingSink;
  readonly #ram: GuestRam;
  readonly #machine: QemuMachine;
  readonly #partBytes: number;
  readonly #returnPath: boolean;
  readonly #blocks: Block[] = [];
  readonly #buffer = Buffer.alloc(BATCH_PAGES * MAX_BYTES_PER_PAGE);
  #length = 0;
  /** Stream offset of the open section's data; undefined between sections. */
  #dataStart: number | undefined;
  #section: number = SECTION.part;
  /** Block of the page before. QEMU omits the block's name when it has not changed, across sections too. */
  #lastBlock: Block | undefined;

  constructor(sink: ByteSink, ram: GuestRam, machine: QemuMachine, options: QemuWriterOptions = {}) {
    this.#out = new CountingSink(sink);
    this.#ram = ram;
    this.#machine = machine;
    this.#partBytes = options.partBytes ?? DEFAULT_PART_BYTES;
    this.#returnPath = options.returnPath ?? false;
    this.frames = machinePages(machine);
    let first = 0;
    for (const block of machine.blocks) {
      const end = first + block.bytes / PAGE_BYTES;
      this.#blocks.push({ first, end, name: counted(block.name) });
      first = end;
    }
  }

  get bytes(): number {
    return this.#out.bytes;
  }

  async begin(): Promise<void> {
    const type = Buffer.from(this.#machine.type);
    const { blocks } = this.#machine;
    const total = blocks.reduce((sum, block) => sum + block.bytes, 0);
    await this.#out.write(
      Buffer.concat([
        QEMU_MAGIC,
        u32(FILE_VERSION),
        Buffer.of(SECTION.configuration),
        u32(type.length),
        type,
        ...(this.#returnPath
          ? [command(COMMAND.openReturnPath, Buffer.alloc(0)), command(COMMAND.ping, u32(1))]
          : []),
        Buffer.of(SECTION.start),
        sectionHead(RAM_SECTION),
        word(total, RAM_FLAG.memSize),
        ...blocks.flatMap(({ name, bytes }) => [counted(name), word(bytes, 0)]),
        word(0, RAM_FLAG.eos),
        sectionFooter(RAM_SECTION.id),
      ]),
    );
  }

  beginRound(last: boolean): Promise<void> {
    this.#section = last ? SECTION.end : SECTION.part;
    // The END section is written even when no page is left to send.
    if (last) this.#open();
    return Promise.resolve();
  }

  async pages(batch: Uint32Array): Promise<void> {
    for (const page of batch) {
      this.#open();
      this.#addPage(page);
      if (this.#section === SECTION.part && this.#dataLength() >= this.#partBytes) this.#close();
    }
    await this.#flush();
  }

  async endRound(): Promise<void> {
    this.#close();
    await this.#flush();
  }

  async finish(trailer: Trailer | undefined): Promise<void> {
    const { devices, description, trailerIn } = this.#machine;
    const parts: Buffer[] = [];
    for (const device of devices) {
      const state = Buffer.from(device.state);
      if (trailer !== undefined && device.name === trailerIn) writeTrailer(state, trailer);
      parts.push(Buffer.of(SECTION.full), sectionHead(device), state, sectionFooter(device.id));
    }
    parts.push(
      Buffer.of(SECTION.eof),
      Buffer.of(SECTION.vmDescription),
      u32(description.length),
      description,
    );
    await this.#out.write(Buffer.concat(parts));
  }

  #dataLength(): number {
    return this.#dataStart === undefined ? 0 : this.#out.bytes + this.#length - this.#dataStart;
  }

  #open(): void {
    if (this.#dataStart !== undefined) return;
    this.#length = this.#buffer.writeUInt8(this.#section, this.#length);
    this.#length = this.#buffer.writeUInt32BE(RAM_SECTION.id, this.#length);
    this.#dataStart = this.#out.bytes + this.#length;
  }

  #close(): void {
    if (this.#dataStart === undefined) return;
    this.#addWord(0, RAM_FLAG.eos);
    this.#length += sectionFooter(RAM_SECTION.id).copy(this.#buffer, this.#length);
    this.#dataStart = undefined;
  }

  #addPage(page: number): void {
    const block = this.#blockOf(page);
    const zero = this.#ram.isZero(page);
    const same = block === this.#lastBlock;
    this.#addWord(
      (page - block.first) * PAGE_BYTES,
      (zero ? RAM_FLAG.zero : RAM_FLAG.page) | (same ? RAM_FLAG.continue : 0),
    );
    if (!same) this.#length += block.name.copy(this.#buffer, this.#length);
    this.#lastBlock = block;
    if (zero) {
      this.#buffer[this.#length++] = 0;
      return;
    }
    this.#ram.copyPage(page, this.#buffer, this.#length);
    this.#length += PAGE_BYTES;
  }

  #blockOf(page: number): Block {
    const last = this.#lastBlock;
    if (last !== undefined && page >= last.first && page < last.end) return last;
    return this.#blocks.find(({ first, end }) => page >= first && page < end)!;
  }

  #addWord(address: number, flags: number): void {
    this.#length = this.#buffer.writeUInt32BE(Math.floor(address / 2 ** 32), this.#length);
    this.#length = this.#buffer.writeUInt32BE(((address % 2 ** 32) + flags) >>> 0, this.#length);
  }

  async #flush(): Promise<void> {
    const length = this.#length;
    this.#length = 0;
    await this.#out.write(this.#buffer.subarray(0, length));
  }
}
