// Decodes a Xen stream in this thread, without a pool, hundreds of times a second. It uses the receiver's own inlet,
// chunks and totals, and fails with the same errors.

import { Buffer } from 'node:buffer';

import { decodeChunk } from '../../src/chunk/decode.js';
import { recordCapacity } from '../../src/chunk/encode.js';
import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import type { ArrivedChunk, Arrivals, SlotSizes, StreamNeeds } from '../../src/container/inlet.js';
import { ENVELOPE_BYTES } from '../../src/container/xenguest.js';
import { XenguestInlet } from '../../src/container/xenguest-inlet.js';
import { RamferryError } from '../../src/errors.js';
import type { XenKind } from '../../src/grammar/xen/wrapping.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { codec, expander, sharedBuffer } from '../chunk/support.js';
import { PiecewiseSource } from '../transfer/support/streams-support.js';

/** Streams that announce larger chunks are refused, as by a receiver with little memory. */
const MAX_CHUNK_BYTES = 1024 * 1024;
const MAX_STORE_BYTES = 1024 * 1024;

const scratch = sharedBuffer(recordCapacity(MAX_CHUNK_BYTES));
const output = sharedBuffer(MAX_CHUNK_BYTES);

export interface XenDecoded {
  readonly bytes: Buffer;
  /** The stream had records of ramferry, and its totals were correct. */
  readonly verified: boolean;
}

class Inline implements Arrivals {
  readonly parts: Buffer[] = [];
  readonly #inlet: XenguestInlet;
  #maxChunk = 0;
  #store: PageStore | undefined;
  /** Chain of the chunks so far, in stream order; the first error stays. */
  done: Promise<void> = Promise.resolve();

  constructor(inlet: XenguestInlet) {
    this.#inlet = inlet;
  }

  open({ maxChunk, storeBytes }: StreamNeeds): SlotSizes {
    if (maxChunk > MAX_CHUNK_BYTES || storeBytes > MAX_STORE_BYTES) {
      throw new RamferryError('ERR_MEMORY_LIMIT', 'not with me');
    }
    this.#maxChunk = maxChunk;
    const pages = storeBytes / PAGE_BYTES;
    if (pages > 0) this.#store = new PageStore(new ArrayBuffer(storeMemoryBytes(pages)));
    return { input: Infinity, output: Infinity };
  }

  room(length: number): Buffer {
    return sharedBuffer(length);
  }

  chunk(chunk: ArrivedChunk, body: Buffer): void {
    const header = chunk.header!;
    this.done = this.done.then(async () => {
      const record = body.subarray(ENVELOPE_BYTES, ENVELOPE_BYTES + chunk.length);
      const out = output.subarray(0, header.decodedLength);
      const store = this.#store === undefined ? undefined : { store: this.#store, wait: () => undefined };
      await decodeChunk({ expander: expander(this.#maxChunk), scratch, codec, store }, header, record, out);
      this.#inlet.deliver(chunk, { input: body });
      this.parts.push(Buffer.from(out));
    });
    this.done.catch(() => undefined);
  }

  async pass(bytes: Uint8Array): Promise<void> {
    await this.done;
    this.#inlet.passed(bytes);
    this.parts.push(Buffer.from(bytes));
  }

  async totals(): Promise<void> {
    await this.done;
    this.#inlet.verify();
  }

  settle(): Promise<void> {
    return this.done;
  }

  taken(): void {
    // Not counted here.
  }

  expect(): void {
    // Not needed here.
  }
}

/** @throws RamferryError */
export async function decodeXenInline(stream: Uint8Array, kind: XenKind): Promise<XenDecoded> {
  const source = new PiecewiseSource(stream);
  const input = { source, head: Buffer.alloc(0), ioTimeout: 0, passThrough: false };
  const inlet = new XenguestInlet(input, kind);
  const inline = new Inline(inlet);
  await inlet.read(inline);
  await inline.done;
  return { bytes: Buffer.concat(inline.parts), verified: inlet.outcome().verified };
}
