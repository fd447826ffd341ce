// `Compressor`: leaves a chunk record in a slot. Where the input is a regular file, it reads the chunk's extent itself. A worker thread
// and the main thread run the same code, so which of them runs a chunk never changes the output. It knows neither the stream nor the
// link.

import { Buffer } from 'node:buffer';

import { type ChunkPlace, encodeChunk, recordCapacity, type StoreTurn } from '../chunk/encode.js';
import { decodeChunk, type DecodeTools } from '../chunk/decode.js';
import { Expander } from '../chunk/expand.js';
import { type Ahead, PageStore } from '../chunk/page-store.js';
import { OPERATIONS_CAPACITY, Planner } from '../chunk/plan.js';
import type { ChunkHeader } from '../chunk/record.js';
import { ZeroChunks } from '../chunk/zero-chunks.js';
import type { FrameFormat } from '../container/frames/record.js';
import type { UnitResult } from '../container/frames/totals.js';
import type { UnitCoder } from '../container/frames/unit.js';
import { RamferryError } from '../errors.js';
import { readExtent } from '../io/file/direct.js';
import { readExactlyAt } from '../io/file/positioned.js';
import { PAGE_BYTES } from '../page/size.js';
import type { EncodeJob } from '../slot/encode-job.js';
import { TASK } from '../slot/job.js';
import type { JobWorker } from '../slot/job-worker.js';
import type { SlotViews } from '../slot/layout.js';
import type { WorkerStartUp } from '../slot/start-up.js';
import { Turns } from '../slot/turns.js';
import { CodecCache } from './codec-cache.js';
import { Watch } from './watch.js';

/** One transfer's share in one thread. */
export class Compressor implements JobWorker {
  readonly cache: CodecCache;
  readonly #startUp: WorkerStartUp;
  readonly #planner: Planner;
  readonly #zeroChunks: ZeroChunks;
  readonly #pages: PageStore | undefined;
  readonly #turns: Turns | undefined;
  /** The source of a chunk's codecs: the cache, or the watch over it. */
  #codecs: Pick<CodecCache, 'codec'>;
  #watch: Watch | undefined;
  #extent: Buffer | undefined;
  #checkMemory: Buffer | undefined;
  #checkTools: DecodeTools | undefined;

  /**
   * @param cache may outlive the transfer
   * @param ahead finds the page store's memory
   */
  constructor(startUp: WorkerStartUp, cache = new CodecCache(startUp), ahead?: Ahead) {
    const { maxChunk, store } = startUp;
    this.#startUp = startUp;
    this.#planner = new Planner(maxChunk);
    this.#zeroChunks = new ZeroChunks(this.#planner);
    this.cache = cache;
    this.#codecs = this.cache;
    this.#pages = store === undefined ? undefined : new PageStore(store.pages, ahead);
    this.#turns = store === undefined ? undefined : new Turns(store.turns);
  }

  job(slot: SlotViews): Promise<void> {
    if (!slot.encode.watched) {
      this.#codecs = this.cache;
      return this.#work(slot);
    }
    this.#codecs = this.#watch ??= new Watch(this.cache);
    return this.#watch.job(slot, () => this.#work(slot));
  }

  #work(slot: SlotViews): Promise<void> {
    const job = slot.encode;
    const { readAt, inputLength: length } = job;
    if (job.inHole) return this.#encodeHole(slot);
    if (readAt < 0) {
      return job.task === TASK.frame ? this.#frame(slot) : this.#encode(slot, slot.front);
    }
    const { fd, alignment, maxChunk } = this.#startUp;
    if (alignment > 1) {
      readExtent(fd, slot.input, length, readAt, alignment);
      return this.#encode(slot, slot.front);
    }
    // Only this worker needs these bytes: it reads them into its own memory, which stays in this core's cache between chunks.
    this.#extent ??= extentMemory(maxChunk);
    readExactlyAt(fd, this.#extent.subarray(OPERATIONS_CAPACITY, OPERATIONS_CAPACITY + length), readAt);
    return this.#encode(slot, this.#extent);
  }

  async #encodeHole({ encode: job, front, output }: SlotViews): Promise<void> {
    levelOf(job);
    const { alignment, maxChunk } = this.#startUp;
    const scratch = alignment > 1 ? front : (this.#extent ??= extentMemory(maxChunk));
    const { inputLength, outputOffset } = job;
    const result = await this.#zeroChunks.encode(inputLength, placeOf(job), scratch, output, outputOffset);
    job.outputLength = result.length;
    job.plainLength = result.header.plainLength;
  }

  /** Method `stream`: any bytes as one standard frame. */
  async #frame(slot: SlotViews): Promise<void> {
    const job = slot.encode;
    const units = await this.cache.units(job.codec as FrameFormat);
    const input = slot.input.subarray(0, job.inputLength);
    const result = await units.encode(slot.output, input, levelOf(job));
    if (job.selfCheck) await this.#checkFrame(slot, units, result);
    job.outputLength = result.encodedLength;
    job.plainLength = result.decodedLength;
    job.encodedHash = result.encodedHash;
    job.decodedHash = result.decodedHash;
  }

  async #encode(slot: SlotViews, front: Buffer): Promise<void> {
    try {
      await this.#encodeInTurn(slot, front);
    } catch (thrown) {
      this.#turns?.fail(slot.encode.sequence);
      throw thrown;
    }
  }

  /** The chunk's turn at the page store; undefined where the stream has none. */
  #turnOf({ encode, suggestions }: SlotViews): StoreTurn | undefined {
    const store = this.#pages;
    const turns = this.#turns;
    if (store === undefined || turns === undefined) return undefined;
    const { sequence, needs, suggested, selfCheck: dry } = encode;
    return {
      plan: suggested ? { store, sequence, needs, table: suggestions, dry } : undefined,
      begin: () => turns.wait(needs),
      end: () => turns.end(sequence),
    };
  }

  async #encodeInTurn(slot: SlotViews, front: Buffer): Promise<void> {
    const job = slot.encode;
    const turn = this.#turnOf(slot);
    const { inputLength: length, segmentCount, outputOffset: at, codec: name } = job;
    const level = levelOf(job);
    const codec = name === 'none' || level === 0 ? undefined : this.#codecs.codec(name);
    const result = await encodeChunk(
      this.#planner,
      { front, length, segments: slot.segments, segmentCount },
      { place: placeOf(job), coding: { codec, level }, turn },
      slot.output,
      at,
    );
    if (job.selfCheck) await this.#selfCheck(slot.output.subarray(at), result.header);
    // The check has changed the store as the receiver will.
    if (turn?.plan?.dry === true) turn.end();
    if (result.store !== undefined) job.tally = result.store;
    job.outputLength = result.length;
    job.plainLength = result.header.plainLength;
  }

  async #checkFrame(slot: SlotViews, coder: UnitCoder, made: UnitResult): Promise<void> {
    const out = this.#memoryOfCheck(made.decodedLength);
    try {
      await coder.decode(out, slot.output.subarray(0, made.encodedLength), 0);
      if (slot.input.compare(out, 0, out.length, 0, out.length) !== 0) throw new Error('other bytes');
    } catch (cause) {
      throw selfCheckError(slot.encode.sequence, cause);
    }
  }

  /** Decodes what was encoded; the decoded bytes must match the checksum that was taken of the input. */
  async #selfCheck(record: Buffer, header: ChunkHeader): Promise<void> {
    const { maxChunk } = this.#startUp;
    this.#checkTools ??= {
      expander: new Expander(Math.ceil(maxChunk / PAGE_BYTES)),
      scratch: Buffer.allocUnsafeSlow(recordCapacity(maxChunk)),
      codec: (name) => this.cache.codec(name),
      // The chunk has its turn now, so the chunks that it needs are complete.
      store: this.#pages === undefined ? undefined : { store: this.#pages, wait: () => undefined },
    };
    try {
      await decodeChunk(this.#checkTools, header, record, this.#memoryOfCheck(header.decodedLength));
    } catch (cause) {
      throw selfCheckError(header.sequence, cause);
    }
  }

  #memoryOfCheck(length: number): Buffer {
    this.#checkMemory ??= Buffer.allocUnsafeSlow(this.#startUp.maxChunk);
    return this.#checkMemory.subarray(0, length);
  }
}

function extentMemory(maxChunk: number): Buffer {
  return Buffer.allocUnsafeSlow(OPERATIONS_CAPACITY + maxChunk);
}

function placeOf({ sequence, needs, offset }: EncodeJob): ChunkPlace {
  return { sequence, needs, offset };
}

/** Reads the level once and reports it: the main thread may change it until then. */
function levelOf(job: EncodeJob): number {
  const { level } = job;
  job.usedLevel = level;
  return level;
}

function selfCheckError(sequence: number, cause: unknown): RamferryError {
  return new RamferryError('ERR_SELF_CHECK', 'a chunk does not decode to what was encoded', {
    sequence,
    cause,
    hint: 'do not trust this host (memory, CPU or codec library): the transfer was stopped before the chunk left',
  });
}
