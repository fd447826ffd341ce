// `Decompressor`: verifies and decodes the chunk record in a slot. Where the output is a regular file that ramferry made, it writes the
// chunk's extent itself. A worker thread and the main thread run the same code. It knows neither the stream nor the link.

import { Buffer } from 'node:buffer';

import { decodeChunk, type DecodeTools } from '../chunk/decode.js';
import { recordCapacity } from '../chunk/encode.js';
import { Expander } from '../chunk/expand.js';
import { type Ahead, PageStore } from '../chunk/page-store.js';
import { readChunkHeader } from '../chunk/record.js';
import type { FrameFormat } from '../container/frames/record.js';
import { writeSparseAt } from '../io/file/sparse.js';
import { threadClock } from '../os/processor/cpu-time.js';
import { PAGE_BYTES } from '../page/size.js';
import { TASK } from '../slot/job.js';
import type { JobWorker } from '../slot/job-worker.js';
import type { SlotViews } from '../slot/layout.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { Turns } from '../slot/turns.js';
import { CodecCache } from './codec-cache.js';

/** One transfer's share in one thread. */
export class Decompressor implements JobWorker {
  readonly cache: CodecCache;
  readonly #startUp: WorkerStartUp;
  readonly #pages: PageStore | undefined;
  readonly #turns: Turns | undefined;
  readonly #tools: DecodeTools;
  #clock: (() => number) | undefined;

  /**
   * @param cache may outlive the transfer
   * @param ahead finds the page store's memory
   */
  constructor(startUp: WorkerStartUp, cache = new CodecCache(startUp), ahead?: Ahead) {
    const { maxChunk, store } = startUp;
    const pages = store === undefined ? undefined : new PageStore(store.pages, ahead);
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
