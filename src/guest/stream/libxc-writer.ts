// Writes a guest as Xen's saver does: a libxc stream of version 3, little-endian, in batches of 1024 page frames, bare
// or within the file of `xl save`. Takes RAM and a domain; the bytes depend only on these and on the rounds.

import { Buffer } from 'node:buffer';
import type { ByteSink } from '../../io/bytes.js';
import { PAGE_BYTES } from '../../page/size.js';
import * as format from './libxc-format.js';
import { PAGE_TYPE, RECORD } from './libxc-format.js';
import type { GuestRam } from '../ram.js';
import { BATCH_PAGES, CountingSink, type StreamWriter } from './stream-writer.js';
import type { Trailer } from './trailer.js';
import type { LibxcRecord, XenDomain } from './xen-domain.js';

export interface LibxcWriterOptions {
  /** Puts the stream into an `xl save` file with this domain configuration (a JSON text). */
  readonly xlConfiguration?: string;
}

/** Record header, count and reserved word. */
const PAGE_DATA_HEAD = format.RECORD_HEADER_BYTES + 8;

export class LibxcWriter implements StreamWriter {
  readonly #out: CountingSink;
  readonly #ram: GuestRam;
  readonly #domain: XenDomain;
  readonly #xlConfiguration: string | undefined;
  readonly #buffer = Buffer.alloc(PAGE_DATA_HEAD + BATCH_PAGES * (8 + PAGE_BYTES));

  constructor(sink: ByteSink, ram: GuestRam, domain: XenDomain, options: LibxcWriterOptions = {}) {
    this.#out = new CountingSink(sink);
    this.#ram = ram;
    this.#domain = domain;
    this.#xlConfiguration = options.xlConfiguration;
  }

  get frames(): number {
    return this.#domain.frames;
  }

  get bytes(): number {
    return this.#out.bytes;
  }

  async begin(): Promise<void> {
    await this.#out.write(
      Buffer.concat([
        ...(this.#xlConfiguration === undefined ? [] : [xlHead(this.#xlConfiguration)]),
        libxcHeaders(this.#domain.type),
        ...this.#domain.before.map(recordBytes),
      ]),
    );
  }

  beginRound(): Promise<void> {
    return Promise.resolve(); // The format does not mark rounds.
  }

  async pages(batch: Uint32Array): Promise<void> {
    const buffer = this.#buffer;
    let at = PAGE_DATA_HEAD + batch.length * 8;
    for (const [i, pfn] of batch.entries()) {
      const absent = pfn >= this.#ram.pages;
      const type = absent ? PAGE_TYPE.invalid : this.#domain.pageType(pfn);
      buffer.writeUInt32LE(pfn, PAGE_DATA_HEAD + i * 8);
      buffer.writeUInt32LE((type << 28) >>> 0, PAGE_DATA_HEAD + i * 8 + 4);
      if (absent) continue;
      this.#ram.copyPage(pfn, buffer, at);
      at += PAGE_BYTES;
    }
    buffer.writeUInt32LE(RECORD.pageData, 0);
    buffer.writeUInt32LE(at - format.RECORD_HEADER_BYTES, 4);
    buffer.writeUInt32LE(batch.length, 8);
    buffer.writeUInt32LE(0, 12);
    await this.#out.write(buffer.subarray(0, at));
  }

  endRound(): Promise<void> {
    return Promise.resolve();
  }

  async finish(trailer: Trailer | undefined): Promise<void> {
    const end = recordBytes({ type: RECORD.end, body: Buffer.alloc(0) });
    await this.#out.write(
      Buffer.concat([
        ...this.#domain.after(trailer).map(recordBytes),
        end,
        // libxl's END has the same bytes.
        ...(this.#xlConfiguration === undefined ? [] : [end]),
      ]),
    );
  }
}

function recordBytes({ type, body }: LibxcRecord): Buffer {
  const head = Buffer.alloc(format.RECORD_HEADER_BYTES);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc(format.paddingOf(body.length))]);
}

function libxcHeaders(domainType: number): Buffer {
  const head = Buffer.alloc(format.IMAGE_HEADER_BYTES + format.DOMAIN_HEADER_BYTES);
  head.fill(0xff, 0, 8);
  head.writeUInt32BE(format.LIBXC_ID, 8);
  head.writeUInt32BE(3, 12); // version; options 0: what follows is little-endian
  head.writeUInt32LE(domainType, 24);
  head.writeUInt16LE(12, 28); // page shift
  head.writeUInt32LE(4, 32); // Xen 4.17
  head.writeUInt32LE(17, 36);
  return head;
}

/** xl's header with the configuration, libxl's header, and the LIBXC_CONTEXT record that precedes the libxc stream. */
function xlHead(configuration: string): Buffer {
  const text = Buffer.from(`${configuration}\0`);
  const head = Buffer.alloc(32 + 16 + 4);
  head.write(format.XL_MAGIC, 'latin1');
  head.writeUInt32LE(format.XL_BYTE_ORDER, 32);
  head.writeUInt32LE(format.XL_FLAGS, 36);
  head.writeUInt32LE(4 + text.length, 44);
  head.writeUInt32LE(text.length, 48);
  const libxl = Buffer.alloc(16);
  libxl.write(format.LIBXL_MAGIC, 'latin1');
  libxl.writeUInt32BE(format.LIBXL_VERSION, 8);
  const context = recordBytes({ type: format.LIBXL_RECORD.libxcContext, body: Buffer.alloc(0) });
  return Buffer.concat([head, text, libxl, context]);
}

/** The configuration of a made-up domain, in the form that `xl` stores in its files. */
export function xlConfiguration(type: 'pv' | 'pvh', ramBytes: number): string {
  const kilobytes = ramBytes / 1024;
  const configuration = {
    c_info: { type, name: 'ramferry-guest', uuid: '72616d66-6572-4279-8000-000000000001' },
    b_info: { max_vcpus: 1, avail_vcpus: [0], max_memkb: kilobytes, target_memkb: kilobytes },
    on_reboot: 'restart',
    on_crash: 'preserve',
  };
  return `${JSON.stringify(configuration, undefined, 4)}\n`;
}
