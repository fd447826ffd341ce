// A Xen stream decoded in this thread, without a pool: the receiver's own parser, its chunks and its totals, hundreds of times a
// second. It fails with what the receiver fails with.

import { Buffer } from 'node:buffer';

import { decodeChunk } from '../../src/chunk/decode.js';
import { recordCapacity } from '../../src/chunk/encode.js';
import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import { ENVELOPE_BYTES, type Envelope, isCut, XenguestTotals } from '../../src/container/xenguest.js';
import { RamferryError } from '../../src/errors.js';
import type { XenKind } from '../../src/grammar/xen/wrapping.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { Statistics } from '../../src/transfer/statistics/statistics.js';
import type { ArrivedChunk, XenDeliveries } from '../../src/transfer/receiver/xen-deliveries.js';
import { XenParser } from '../../src/transfer/receiver/xen-parser.js';
import { codec, expander, sharedBuffer } from '../chunk/support.js';
import { PiecewiseSource } from '../transfer/support/streams-support.js';

/** Streams that announce more are refused, as a receiver with little memory does. */
const LARGEST_CHUNK = 1024 * 1024;
const LARGEST_STORE = 1024 * 1024;

const scratch = sharedBuffer(recordCapacity(LARGEST_CHUNK));
const output = sharedBuffer(LARGEST_CHUNK);

export interface XenDecoded {
  readonly bytes: Buffer;
  /** It held records of ours, and totals that are right. */
  readonly verified: boolean;
}

class Inline implements XenDeliveries {
  readonly parts: Buffer[] = [];
  readonly #totals = new XenguestTotals();
  #maxChunk = 0;
  #store: PageStore | undefined;
  /** What came so far, in stream order; the first error stays. */
  done: Promise<void> = Promise.resolve();

  open({ maxChunk, storeBytes }: Envelope): void {
    if (maxChunk > LARGEST_CHUNK || storeBytes > LARGEST_STORE) {
      throw new RamferryError('ERR_MEMORY_LIMIT', 'not with me');
    }
    this.#maxChunk = maxChunk;
    const pages = storeBytes / PAGE_BYTES;
    if (pages > 0) this.#store = new PageStore(new ArrayBuffer(storeMemoryBytes(pages)));
  }

  room(length: number): Buffer {
    return sharedBuffer(length);
  }

  chunk({ body, header, length }: ArrivedChunk): void {
    this.done = this.done.then(async () => {
      if (header.offset !== this.#totals.decodedBytes) {
        throw new RamferryError('ERR_STREAM_ORDER', 'a chunk claims another offset');
      }
      const record = body.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + length);
      const out = output.subarray(0, header.decodedLength);
      const store = this.#store === undefined ? undefined : { store: this.#store, wait: () => undefined };
      await decodeChunk({ expander: expander(this.#maxChunk), scratch, codec, store }, header, record, out);
      this.#totals.chunk(header, body.subarray(0, ENVELOPE_BYTES), record);
      this.parts.push(Buffer.from(out));
    });
    this.done.catch(() => undefined);
  }

  async pass(bytes: Buffer): Promise<void> {
    await this.done;
    this.#totals.verbatim(bytes);
    this.parts.push(Buffer.from(bytes));
  }

  async totals(_record: unknown, body: Buffer): Promise<void> {
    await this.done;
    this.#totals.verify(body, isCut(body));
  }
}

/** @throws RamferryError */
export async function decodeXenInline(stream: Uint8Array, kind: XenKind): Promise<XenDecoded> {
  const inline = new Inline();
  const source = new PiecewiseSource(stream);
  const settings = { source, head: Buffer.alloc(0), ioTimeout: 0, passThrough: false };
  const parser = new XenParser({ ...settings, statistics: new Statistics() }, kind, inline);
  await parser.run();
  await inline.done;
  return { bytes: Buffer.concat(inline.parts), verified: parser.ours };
}
