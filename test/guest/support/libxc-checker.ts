// Checks a libxc stream against its specification (revision 3) and against the practice of Xen's savers: headers,
// reserved fields, padding, lengths, order of records, END last. Little-endian streams, bare or in xl's and libxl's
// headers. It reports all broken rules, and stops only where it can no longer find records.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../../../src/errors.js';
import type { ByteSource } from '../../../src/io/bytes.js';
import { FieldReader } from '../../../src/guest/stream/field-reader.js';
import * as format from '../../../src/guest/stream/libxc-format.js';
import { DOMAIN_TYPE, LIBXL_RECORD, RECORD } from '../../../src/guest/stream/libxc-format.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { BODY_RULES, checkP2mFrames, checkPageEntries } from './libxc-rules.js';
import { RecordOrder } from './libxc-order.js';

export interface Violation {
  /** Index of the record in the libxc stream, from 0; -1 = headers, or bytes outside the libxc stream. */
  readonly record: number;
  readonly offset: number;
  readonly message: string;
}

export interface LibxcReport {
  readonly violations: readonly Violation[];
  readonly version: number;
  /** 1 = PV, 2 = HVM or PVH. */
  readonly domainType: number;
  /** Types of all records in order. Consecutive PAGE_DATA records are one entry. */
  readonly sequence: readonly number[];
  /** Entries in each pass over memory: live rounds, then stop-and-copy. */
  readonly passes: readonly number[];
  /** Pages with contents. */
  readonly pages: number;
  readonly wrapped: boolean;
}

const SAVER_BATCH = 1024;
/** The checker skips longer bodies. Only PAGE_DATA records may be longer. */
const MAX_BODY_BYTES = 16 << 20;

export async function checkLibxc(source: ByteSource): Promise<LibxcReport> {
  return new Checker(new FieldReader(source)).check();
}

class Checker {
  readonly #reader: FieldReader;
  readonly #violations: Violation[] = [];
  readonly #sequence: number[] = [];
  readonly #passes: number[] = [];
  #record = -1;
  #version = 0;
  #domainType = 0;
  #guestWidth = 8;
  #pages = 0;
  #lastPfn = Infinity;

  constructor(reader: FieldReader) {
    this.#reader = reader;
  }

  async check(): Promise<LibxcReport> {
    let wrapped = false;
    try {
      wrapped = await this.#wrapping();
      await this.#headers();
      await this.#records();
      if (wrapped) await this.#libxlTail();
      if (!(await this.#reader.atEnd())) this.#broken('bytes follow the end');
    } catch (thrown) {
      if (!(thrown instanceof RamferryError)) throw thrown;
      this.#broken(thrown.message);
    }
    return {
      violations: this.#violations,
      version: this.#version,
      domainType: this.#domainType,
      sequence: this.#sequence,
      passes: this.#passes,
      pages: this.#pages,
      wrapped,
    };
  }

  async #wrapping(): Promise<boolean> {
    const reader = this.#reader;
    const start = (await reader.peek(32)).toString('latin1');
    if (start === format.XL_MAGIC) {
      await reader.need(48, 'the xl header');
      reader.take(32);
      this.#expect(reader.u32le() === format.XL_BYTE_ORDER, 'xl header: byte order');
      this.#expect(reader.u32le() === format.XL_FLAGS, 'xl header: mandatory flags');
      this.#expect(reader.u32le() === 0, 'xl header: optional flags');
      const length = reader.u32le();
      await reader.need(4, "the domain's configuration");
      this.#expect(reader.u32le() === length - 4, "xl header: length of the domain's configuration");
      await reader.skip(length - 4, "the domain's configuration");
    } else if (!start.startsWith(format.LIBXL_MAGIC)) return false;
    await reader.need(24, 'the libxl header');
    this.#expect(reader.take(8).toString('latin1') === format.LIBXL_MAGIC, 'libxl header: ident');
    this.#expect(reader.u32be() === format.LIBXL_VERSION, 'libxl header: version');
    this.#expect(reader.u32be() === 0, 'libxl header: options');
    this.#expect(reader.u32le() === LIBXL_RECORD.libxcContext, 'libxl: LIBXC_CONTEXT must come first');
    this.#expect(reader.u32le() === 0, 'libxl: LIBXC_CONTEXT has no body');
    return true;
  }

  async #headers(): Promise<void> {
    const reader = this.#reader;
    await reader.need(format.IMAGE_HEADER_BYTES + format.DOMAIN_HEADER_BYTES, 'the headers');
    this.#expect(
      reader.take(8).every((byte) => byte === 0xff),
      'image header: marker is not all ones',
    );
    this.#expect(reader.u32be() === format.LIBXC_ID, 'image header: id is not XENF');
    this.#version = reader.u32be();
    this.#expect(this.#version === 2 || this.#version === 3, `image header: version ${this.#version}`);
    const options = reader.u16be();
    this.#expect((options & 0xfffe) === 0, 'image header: reserved options are set');
    this.#expect((options & 1) === 0, 'image header: an x86 image is little-endian');
    this.#expect(
      reader.take(6).every((byte) => byte === 0),
      'image header: reserved bytes are not zero',
    );
    this.#domainType = reader.u32le();
    const known = this.#domainType === DOMAIN_TYPE.pv || this.#domainType === DOMAIN_TYPE.hvm;
    this.#expect(known, `domain header: type ${this.#domainType}`);
    this.#expect(reader.u16le() === 12, 'domain header: page shift of x86 is 12');
    this.#expect(reader.u16le() === 0, 'domain header: reserved bytes are not zero');
    reader.take(8); // xen_major, xen_minor
  }

  async #records(): Promise<void> {
    const order = new RecordOrder(this.#version, this.#domainType);
    const reader = this.#reader;
    for (let type = -1; type !== RECORD.end;) {
      this.#record++;
      await reader.need(format.RECORD_HEADER_BYTES, 'a record header');
      type = reader.u32le();
      const length = reader.u32le();
      if (length > format.MAX_RECORD_BYTES) {
        throw new RamferryError('ERR_STREAM_LIMIT', `a record of ${length} bytes`);
      }
      if (type === RECORD.checkpoint) {
        throw new RamferryError('ERR_STREAM_FEATURE', 'checkpointed streams are not checked');
      }
      for (const message of order.next(type)) this.#broken(message);
      if (type !== RECORD.pageData || this.#sequence.at(-1) !== type) this.#sequence.push(type);
      if (type === RECORD.pageData) await this.#pageData(length);
      else await this.#body(type, length);
      const padding = format.paddingOf(length);
      await reader.need(padding, 'padding');
      this.#expect(
        reader.take(padding).every((byte) => byte === 0),
        'padding is not zero',
      );
    }
    this.#record = -1;
  }

  async #body(type: number, length: number): Promise<void> {
    if (length > MAX_BODY_BYTES) {
      this.#broken(`record type ${type} of ${length} bytes`);
      return this.#reader.skip(length, 'a record');
    }
    const body = Buffer.alloc(length);
    await this.#reader.copyTo(body, 'a record');
    if (type === RECORD.pvInfo && (body[0] === 4 || body[0] === 8)) this.#guestWidth = body[0];
    const rule = BODY_RULES.get(type);
    const broken =
      type === RECORD.pvP2mFrames ? checkP2mFrames(body, this.#guestWidth) : (rule?.(body) ?? []);
    for (const message of broken) this.#broken(`record type ${type} ${message}`);
  }

  async #pageData(length: number): Promise<void> {
    const reader = this.#reader;
    if (length < 16) {
      this.#broken('PAGE_DATA is shorter than one entry');
      return reader.skip(length, 'PAGE_DATA');
    }
    await reader.need(8, 'PAGE_DATA');
    const count = reader.u32le();
    this.#expect(reader.u32le() === 0, 'PAGE_DATA: reserved word is not zero');
    if (count === 0 || 8 + count * 8 > length) {
      this.#broken(`PAGE_DATA of ${length} bytes has ${count} entries`);
      return reader.skip(length - 8, 'PAGE_DATA');
    }
    this.#expect(
      count <= SAVER_BATCH,
      `PAGE_DATA: a saver batches at most ${SAVER_BATCH} pages, not ${count}`,
    );
    const entries = Buffer.alloc(count * 8);
    await reader.copyTo(entries, 'page entries');
    const { broken, present, first, last } = checkPageEntries(entries);
    for (const message of broken) this.#broken(`PAGE_DATA: ${message}`);
    const rest = length - 8 - count * 8;
    this.#expect(rest === present * PAGE_BYTES, `PAGE_DATA: ${rest} bytes for ${present} pages`);
    if (first <= this.#lastPfn) this.#passes.push(0);
    this.#passes[this.#passes.length - 1]! += count;
    this.#lastPfn = last;
    this.#pages += present;
    await reader.skip(rest, 'page contents');
  }

  async #libxlTail(): Promise<void> {
    const reader = this.#reader;
    for (let type = -1; type !== LIBXL_RECORD.end;) {
      await reader.need(8, 'a libxl record');
      type = reader.u32le();
      const length = reader.u32le();
      this.#expect(type !== LIBXL_RECORD.end || length === 0, 'libxl: END has no body');
      await reader.skip(length + format.paddingOf(length), 'a libxl record');
    }
  }

  #expect(holds: boolean, message: string): void {
    if (!holds) this.#broken(message);
  }

  #broken(message: string): void {
    this.#violations.push({ record: this.#record, offset: this.#reader.offset, message });
  }
}
