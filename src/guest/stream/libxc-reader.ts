// The simulated Xen destination: reads a libxc stream, bare or within xl's and libxl's headers, and rebuilds RAM.
// Fails on unknown mandatory records, skips unknown optional ones, and takes no byte after the last END.

import { Buffer } from 'node:buffer';
import { PAGE_BYTES } from '../../page/size.js';
import type { FieldReader } from './field-reader.js';
import * as format from './libxc-format.js';
import { LIBXL_RECORD, RECORD } from './libxc-format.js';
import { GuestRam } from '../ram.js';
import { damaged, limitPages, PageCounter, type ReceivedGuest } from '../received.js';
import { readTrailer, type Trailer } from './trailer.js';

export interface LibxcReaderOptions {
  /** Upper limit of RAM in bytes. */
  readonly limitBytes: number;
}

/** A domain configuration is a few kilobytes. */
const MAX_CONFIGURATION_BYTES = 1 << 20;
/** Xen's savers put 1024 entries into one PAGE_DATA record. The format allows more. */
const MAX_ENTRIES = 1 << 20;
const STATE_RECORDS: readonly number[] = [
  RECORD.sharedInfo,
  RECORD.tscInfo,
  RECORD.vcpuBasic,
  RECORD.vcpuExtended,
  RECORD.vcpuXsave,
  RECORD.vcpuMsrs,
  RECORD.hvmContext,
  RECORD.hvmParams,
  RECORD.pvInfo,
  RECORD.pvP2mFrames,
  RECORD.staticDataEnd,
  RECORD.cpuidPolicy,
  RECORD.msrPolicy,
];

export async function readLibxcGuest(
  reader: FieldReader,
  options: LibxcReaderOptions,
): Promise<ReceivedGuest> {
  return new LibxcReader(reader, options).read();
}

class LibxcReader {
  readonly #reader: FieldReader;
  readonly #ram: GuestRam;
  readonly #count = new PageCounter();
  #record = 0;
  #verifying = false;
  #trailer: Trailer | undefined;

  constructor(reader: FieldReader, options: LibxcReaderOptions) {
    this.#reader = reader;
    this.#ram = new GuestRam(0, limitPages(options.limitBytes));
  }

  async read(): Promise<ReceivedGuest> {
    const wrapped = await this.#wrapping();
    await this.#headers();
    while (await this.#libxcRecord());
    if (wrapped) while (await this.#libxlRecord());
    return {
      ram: this.#ram,
      trailer: this.#trailer,
      pages: this.#count.pages,
      passes: this.#count.passes,
    };
  }

  /** @returns whether libxl's records continue after the libxc stream */
  async #wrapping(): Promise<boolean> {
    const reader = this.#reader;
    const start = (await reader.peek(8)).toString('latin1');
    if (start === format.XL_MAGIC.slice(0, 8)) await this.#xlHeader();
    else if (start !== format.LIBXL_MAGIC) return false;
    await reader.need(16, 'the libxl header');
    if (reader.take(8).toString('latin1') !== format.LIBXL_MAGIC) throw this.#noMagic('libxl');
    const version = reader.u32be();
    if (version !== format.LIBXL_VERSION || reader.u32be() !== 0) {
      throw damaged('ERR_STREAM_VERSION', `libxl stream version ${version} or its options`, reader.offset);
    }
    while (await this.#libxlRecord());
    return true;
  }

  async #xlHeader(): Promise<void> {
    const reader = this.#reader;
    await reader.need(48, 'the xl header');
    if (reader.take(32).toString('latin1') !== format.XL_MAGIC) throw this.#noMagic('xl');
    const order = reader.u32le();
    const flags = reader.u32le();
    reader.take(4); // optional flags
    const length = reader.u32le();
    if (order !== format.XL_BYTE_ORDER || flags !== format.XL_FLAGS) {
      throw damaged('ERR_STREAM_FEATURE', `xl header with flags ${flags}`, reader.offset);
    }
    if (length > MAX_CONFIGURATION_BYTES) {
      throw damaged('ERR_STREAM_LIMIT', `a domain configuration of ${length} bytes`, reader.offset);
    }
    await reader.skip(length, 'the domain configuration');
  }

  /** @returns false when libxl hands over to libxc, or at its end */
  async #libxlRecord(): Promise<boolean> {
    const { type, length } = await this.#recordHeader('libxl');
    await this.#reader.skip(length + format.paddingOf(length), 'a libxl record');
    return type !== LIBXL_RECORD.end && type !== LIBXL_RECORD.libxcContext;
  }

  async #headers(): Promise<void> {
    const reader = this.#reader;
    await reader.need(format.IMAGE_HEADER_BYTES + format.DOMAIN_HEADER_BYTES, 'the headers');
    const marker = reader.take(8).every((byte) => byte === 0xff);
    if (!marker || reader.u32be() !== format.LIBXC_ID) throw this.#noMagic('libxc');
    const version = reader.u32be();
    const options = reader.u16be();
    reader.take(6);
    if ((version !== 2 && version !== 3) || options !== 0) {
      throw damaged('ERR_STREAM_VERSION', `libxc version ${version}, options ${options}`, reader.offset);
    }
    const domain = reader.u32le();
    const shift = reader.u16le();
    reader.take(10);
    if (shift !== 12) {
      throw damaged(
        'ERR_STREAM_FEATURE',
        `domain type ${domain} with pages of 2^${shift} bytes`,
        reader.offset,
      );
    }
  }

  /** @returns false at END */
  async #libxcRecord(): Promise<boolean> {
    const { type, length } = await this.#recordHeader('libxc');
    const reader = this.#reader;
    if (type === RECORD.pageData) await this.#pageData(length);
    else if (STATE_RECORDS.includes(type)) await this.#state(length);
    else if (type === RECORD.end || type === RECORD.verify) {
      if (length !== 0) throw this.#wrong(`record type ${type} is not empty`);
      this.#verifying = true;
    } else if (type >= format.OPTIONAL_RECORD) await reader.skip(length, 'an optional record');
    else {
      throw damaged('ERR_STREAM_FEATURE', `record type ${type} is not known`, reader.offset, this.#record);
    }
    await reader.skip(format.paddingOf(length), 'padding');
    this.#record++;
    return type !== RECORD.end;
  }

  async #pageData(length: number): Promise<void> {
    const reader = this.#reader;
    if (length < 16) throw this.#wrong(`PAGE_DATA of ${length} bytes`);
    await reader.need(8, 'PAGE_DATA');
    const count = reader.u32le();
    reader.take(4);
    if (count === 0 || count > MAX_ENTRIES || 8 + count * 8 > length) {
      throw this.#wrong(`PAGE_DATA of ${length} bytes with ${count} entries`);
    }
    const entries = Buffer.alloc(count * 8);
    await reader.copyTo(entries, 'the page numbers');
    const present: number[] = [];
    for (let at = 0; at < entries.length; at += 8) {
      const high = entries.readUInt32LE(at + 4);
      const pfn = (high & 0xf_ffff) * 2 ** 32 + entries.readUInt32LE(at);
      if (format.isReservedType(high >>> 28)) throw this.#wrong(`page type ${high >>> 28} is reserved`);
      if (format.hasContents(high >>> 28)) present.push(pfn);
    }
    if (8 + count * 8 + present.length * PAGE_BYTES !== length) {
      throw this.#wrong(`PAGE_DATA of ${length} bytes with ${present.length} pages`);
    }
    for (const pfn of present) await this.#page(pfn);
  }

  async #page(pfn: number): Promise<void> {
    const reader = this.#reader;
    if (!reader.has(PAGE_BYTES)) await reader.need(PAGE_BYTES, 'a page');
    const at = reader.advance(PAGE_BYTES);
    this.#count.add(pfn);
    this.#ram.grow(pfn + 1);
    if (this.#verifying && !this.#ram.page(pfn).equals(reader.buffer.subarray(at, at + PAGE_BYTES))) {
      throw damaged('ERR_STREAM_CHECKSUM', `page ${pfn} differs from what came before VERIFY`, reader.offset);
    }
    this.#ram.setPage(pfn, reader.buffer, at);
  }

  /** Reads device state. Only its end matters here, since the trailer may lie there. */
  async #state(length: number): Promise<void> {
    const end = Math.min(length, 64);
    await this.#reader.skip(length - end, 'domain state');
    await this.#reader.need(end, 'domain state');
    const tail = this.#reader.take(end);
    this.#trailer ??= readTrailer(tail);
  }

  async #recordHeader(stream: string): Promise<{ type: number; length: number }> {
    const reader = this.#reader;
    await reader.need(format.RECORD_HEADER_BYTES, `a ${stream} record header`);
    const type = reader.u32le();
    const length = reader.u32le();
    if (length > format.MAX_RECORD_BYTES) {
      throw damaged('ERR_STREAM_LIMIT', `a ${stream} record of ${length} bytes`, reader.offset, this.#record);
    }
    return { type, length };
  }

  #noMagic(what: string): Error {
    return damaged('ERR_STREAM_MAGIC', `no ${what} header where one was expected`, this.#reader.offset);
  }

  #wrong(message: string): Error {
    return damaged('ERR_STREAM_FORMAT', message, this.#reader.offset, this.#record);
  }
}
