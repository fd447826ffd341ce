// The decompression worker: takes slots off the ring, verifies and decodes the chunk record in each. Where the output is a
// regular file that ramferry made, it writes its extent itself. It knows neither the stream nor the link.

import { Buffer } from 'node:buffer';

import { decodeChunk, type DecodeTools } from '../src/chunk/decode.js';
import { recordCapacity } from '../src/chunk/encode.js';
import { Expander } from '../src/chunk/expand.js';
import { PageStore } from '../src/chunk/page-store.js';
import { readChunkHeader } from '../src/chunk/record.js';
import type { FrameFormat } from '../src/container/frames/record.js';
import { writeSparseAt } from '../src/io/file/sparse.js';
import { threadClock } from '../src/os/cpu-time.js';
import { PAGE_BYTES } from '../src/page/size.js';
import { TASK } from '../src/slot/job.js';
import type { SlotViews } from '../src/slot/layout.js';
import type { WorkerStartUp } from '../src/slot/start-up.js';
import { Turns } from '../src/slot/turns.js';
import { CodecCache, serve } from './serve.js';

/** One transfer's share in this thread. */
class Decompressor {
  readonly cache: CodecCache;
  readonly #startUp: WorkerStartUp;
  readonly #pages: PageStore | undefined;
  readonly #turns: Turns | undefined;
  readonly #tools: DecodeTools;
  #clock: (() => number) | undefined;

  constructor(startUp: WorkerStartUp, cache: CodecCache) {
    const { maxChunk, store } = startUp;
    const pages = store === undefined ? undefined : new PageStore(store.pages);
    const turns = store === undefined ? undefined : new Turns(store.turns);
    this.#startUp = startUp;
    this.cache = cache;
    this.#pages = pages;
    this.#turns = turns;
    this.#tools = {
      expander: new Expander(Math.ceil(maxChunk / PAGE_BYTES)),
      scratch: Buffer.allocUnsafeSlow(recordCapacity(maxChunk)),
      codec: (name) => cache.codec(name),
      store:
        pages === undefined || turns === undefined
          ? undefined
          : { store: pages, wait: (needs) => turns.wait(needs) },
    };
  }

  job(slot: SlotViews): Promise<void> {
    return slot.decode.watched ? this.#watched(slot) : this.#work(slot);
  }

  #work(slot: SlotViews): Promise<void> {
    return slot.decode.task === TASK.unframe ? this.#unframe(slot) : this.#decode(slot);
  }

  /** Adds the job's cost to the results. */
  async #watched(slot: SlotViews): Promise<void> {
    this.#clock ??= threadClock();
    const started = this.#clock();
    await this.#work(slot);
    slot.decode.cpuMicros = Math.max(1, this.#clock() - started);
  }

  /** Method `stream`: one unit of standard frames back to bytes. */
  async #unframe(slot: SlotViews): Promise<void> {
    const { decode: job } = slot;
    const units = await this.cache.units(job.codec as FrameFormat);
    const unit = slot.input.subarray(0, job.inputLength);
    const room = slot.output.subarray(0, job.outputBound);
    const result = await units.decode(room, unit, job.streamOffset);
    job.outputLength = result.decodedLength;
    job.encodedHash = result.encodedHash;
    job.decodedHash = result.decodedHash;
  }

  async #decode(slot: SlotViews): Promise<void> {
    const { decode: job } = slot;
    const start = job.inputOffset;
    const record = slot.input.subarray(start, start + job.inputLength);
    const header = readChunkHeader(record, 0, this.#startUp.maxChunk, this.#pages !== undefined);
    const out = slot.output.subarray(0, header.decodedLength);
    try {
      await decodeChunk(this.#tools, header, record, out);
    } catch (thrown) {
      this.#turns?.fail(header.sequence);
      throw thrown;
    }
    this.#turns?.end(header.sequence);
    const { writeAt } = job;
    if (writeAt >= 0) writeSparseAt(this.#startUp.fd, out, writeAt);
    job.outputLength = out.length;
  }
}

export { started } from './serve.js';

/** The work on one transfer's chunks, with codecs that may outlive it. */
export function openDecompressor(
  startUp: WorkerStartUp,
  cache: CodecCache,
): (slot: SlotViews) => Promise<void> {
  const decompressor = new Decompressor(startUp, cache);
  return (slot) => decompressor.job(slot);
}

export default function decompress(startUp: WorkerStartUp): Promise<void> {
  const cache = new CodecCache(startUp);
  return serve(startUp, cache, openDecompressor(startUp, cache));
}
