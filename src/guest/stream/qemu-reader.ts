// The simulated QEMU destination: reads a stream of version 3 and rebuilds RAM. Like QEMU, it must know each device's
// length, and fails on everything unknown. Takes no byte after the end of VMDESCRIPTION.

import { Buffer } from 'node:buffer';
import { QEMU_MAGIC } from '../../grammar/magics.js';
import type { SectionHead } from '../../grammar/qemu/fields.js';
import { COMMAND, FILE_VERSION, RAM_FLAG, RAM_SECTION, SECTION } from '../../grammar/qemu/format.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { FieldReader } from './field-reader.js';
import type { QemuDevice } from './qemu-machine.js';
import { GuestRam } from '../ram.js';
import { damaged, limitPages, PageCounter, type ReceivedGuest } from '../received.js';
import { readTrailer, type Trailer } from './trailer.js';

export interface QemuReaderOptions {
  /** The machine's devices; only their names, instances, versions and lengths count. */
  readonly devices: readonly QemuDevice[];
  /** Upper limit of RAM in bytes. */
  readonly limitBytes: number;
  /** Answers a PING of the source. */
  readonly onPing?: (value: number) => Promise<void>;
}

interface Block {
  readonly name: string;
  readonly first: number;
  readonly pages: number;
}

const MAX_DESCRIPTION_BYTES = 16 << 20;
const MAX_NAME_BYTES = 1024;

export async function readQemuGuest(reader: FieldReader, options: QemuReaderOptions): Promise<ReceivedGuest> {
  return new QemuReader(reader, options).read();
}

class QemuReader {
  readonly #reader: FieldReader;
  readonly #options: QemuReaderOptions;
  readonly #ram: GuestRam;
  readonly #count = new PageCounter();
  readonly #blocks = new Map<string, Block>();
  #block: Block | undefined;
  #ramSection: number | undefined;
  #ended = false;
  #trailer: Trailer | undefined;

  constructor(reader: FieldReader, options: QemuReaderOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#ram = new GuestRam(0, limitPages(options.limitBytes));
  }

  async read(): Promise<ReceivedGuest> {
    const reader = this.#reader;
    await reader.need(8, 'the header');
    if (!reader.take(4).equals(QEMU_MAGIC)) throw damaged('ERR_STREAM_MAGIC', 'this is no QEMU stream', 0);
    const version = reader.u32be();
    if (version !== FILE_VERSION) {
      throw damaged('ERR_STREAM_VERSION', `QEMU stream version ${version}, only 3 is known`, 4);
    }
    while (await this.#section());
    await this.#description();
    return {
      ram: this.#ram,
      trailer: this.#trailer,
      pages: this.#count.pages,
      passes: this.#count.passes,
    };
  }

  /** @returns false at the end of the sections */
  async #section(): Promise<boolean> {
    const reader = this.#reader;
    await reader.need(1, 'the sections');
    const type = reader.u8();
    switch (type) {
      case SECTION.eof:
        if (!this.#ended) throw this.#wrong('the stream ends without the end of its RAM');
        return false;
      case SECTION.configuration:
        await reader.need(4, 'CONFIGURATION');
        await this.#text(reader.u32be(), 'CONFIGURATION');
        return true;
      case SECTION.command:
        await this.#command();
        return true;
      case SECTION.start:
        await this.#start();
        return true;
      case SECTION.part:
      case SECTION.end:
        await this.#pages(type === SECTION.end);
        return true;
      case SECTION.full:
        await this.#device();
        return true;
      default:
        throw this.#wrong(`unknown section type ${type}`);
    }
  }

  async #command(): Promise<void> {
    const reader = this.#reader;
    await reader.need(4, 'a command');
    const number = reader.u16be();
    const length = reader.u16be();
    await reader.need(length, 'a command');
    const data = reader.take(length);
    if (number === COMMAND.ping && length === 4) await this.#options.onPing?.(data.readUInt32BE());
    else if (number !== COMMAND.openReturnPath) {
      throw damaged('ERR_STREAM_FEATURE', `command ${number} is not known to the guest`, reader.offset);
    }
  }

  async #start(): Promise<void> {
    const reader = this.#reader;
    const { id, name, version } = await this.#head();
    if (name !== RAM_SECTION.name || version !== RAM_SECTION.version || this.#ramSection !== undefined) {
      throw damaged('ERR_STREAM_FEATURE', `section ${name} version ${version} not expected`, reader.offset);
    }
    this.#ramSection = id;
    const { address, flags } = await this.#word();
    if (flags !== RAM_FLAG.memSize) throw this.#wrong(`flags ${flags} where the list of RAM blocks begins`);
    for (let left = address; left > 0;) {
      await reader.need(1, 'the list of RAM blocks');
      const block = await this.#text(reader.u8(), 'the list of RAM blocks');
      const { address: bytes, flags: rest } = await this.#word();
      if (rest !== 0 || bytes === 0 || bytes > left || this.#blocks.has(block)) {
        throw this.#wrong(`RAM block ${block} with ${bytes + rest} of ${left} bytes left`);
      }
      const first = this.#ram.pages;
      this.#ram.grow(first + bytes / PAGE_BYTES);
      this.#blocks.set(block, { name: block, first, pages: bytes / PAGE_BYTES });
      left -= bytes;
    }
    const { flags: end } = await this.#word();
    if (end !== RAM_FLAG.eos) throw this.#wrong('the list of RAM blocks is longer than it says');
    await this.#footer(id);
  }

  async #pages(last: boolean): Promise<void> {
    const reader = this.#reader;
    await reader.need(4, 'a section');
    const id = reader.u32be();
    if (id !== this.#ramSection || this.#ended) throw this.#wrong(`section ${id} was not started`);
    for (;;) {
      const { address, flags } = await this.#word();
      if (flags === RAM_FLAG.eos) break;
      if ((flags & RAM_FLAG.continue) === 0) {
        await reader.need(1, 'a RAM block name');
        const name = await this.#text(reader.u8(), 'a RAM block name');
        this.#block = this.#blocks.get(name);
      }
      const block = this.#block;
      const within = address / PAGE_BYTES;
      if (block === undefined || within >= block.pages) throw this.#wrong('a page outside the RAM blocks');
      await this.#page(block.first + within, flags & ~RAM_FLAG.continue);
    }
    await this.#footer(id);
    this.#ended = last;
  }

  async #page(page: number, kind: number): Promise<void> {
    const reader = this.#reader;
    this.#count.add(page);
    if (kind === RAM_FLAG.page) {
      if (!reader.has(PAGE_BYTES)) await reader.need(PAGE_BYTES, 'a page');
      this.#ram.setPage(page, reader.buffer, reader.advance(PAGE_BYTES));
    } else if (kind === RAM_FLAG.zero) {
      if (!reader.has(1)) await reader.need(1, 'a page');
      const fill = reader.u8();
      if (fill === 0) this.#ram.clear(page);
      else this.#ram.page(page).fill(fill);
    } else {
      throw damaged('ERR_STREAM_FEATURE', `page flags ${kind} are not known to the guest`, reader.offset);
    }
  }

  async #device(): Promise<void> {
    const reader = this.#reader;
    const { id, name, instance, version } = await this.#head();
    const device = this.#options.devices.find((one) => one.name === name && one.instance === instance);
    if (device?.version !== version) {
      throw damaged(
        'ERR_STREAM_FEATURE',
        `device ${name} ${instance} version ${version} is not part of this machine`,
        reader.offset,
      );
    }
    const state = Buffer.alloc(device.state.length);
    await reader.copyTo(state, `the state of ${name}`);
    this.#trailer ??= readTrailer(state);
    await this.#footer(id);
  }

  async #description(): Promise<void> {
    const reader = this.#reader;
    await reader.need(5, 'VMDESCRIPTION');
    if (reader.u8() !== SECTION.vmDescription) throw this.#wrong('no VMDESCRIPTION after the sections');
    const length = reader.u32be();
    if (length > MAX_DESCRIPTION_BYTES) {
      throw damaged('ERR_STREAM_LIMIT', `a VMDESCRIPTION of ${length} bytes`, reader.offset);
    }
    await reader.skip(length, 'VMDESCRIPTION');
  }

  async #head(): Promise<SectionHead> {
    const reader = this.#reader;
    await reader.need(5, 'a section header');
    const id = reader.u32be();
    const name = await this.#text(reader.u8(), 'a section header');
    await reader.need(8, 'a section header');
    return { id, name, instance: reader.u32be(), version: reader.u32be() };
  }

  async #word(): Promise<{ address: number; flags: number }> {
    const reader = this.#reader;
    if (!reader.has(8)) await reader.need(8, 'RAM');
    const high = reader.u32be();
    const low = reader.u32be();
    const flags = low % PAGE_BYTES;
    return { address: high * 2 ** 32 + (low - flags), flags };
  }

  async #text(length: number, what: string): Promise<string> {
    if (length > MAX_NAME_BYTES) throw this.#wrong(`${what}: a name of ${length} bytes`);
    await this.#reader.need(length, what);
    return this.#reader.take(length).toString('latin1');
  }

  async #footer(id: number): Promise<void> {
    await this.#reader.need(5, 'a section footer');
    const type = this.#reader.u8();
    const named = this.#reader.u32be();
    if (type !== SECTION.footer || named !== id) throw this.#wrong(`section ${id} has no footer`);
  }

  #wrong(message: string): Error {
    return damaged('ERR_STREAM_FORMAT', message, this.#reader.offset);
  }
}
