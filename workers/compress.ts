// The compression worker: takes slots off the ring, reads its own extent where the input is a regular file, and
// leaves a chunk record in each. It knows neither the stream nor the link.

import { Buffer } from 'node:buffer';

import { type ChunkPlace, encodeChunk, recordCapacity, type StoreTurn } from '../src/chunk/encode.js';
import { decodeChunk, type DecodeTools } from '../src/chunk/decode.js';
import { Expander } from '../src/chunk/expand.js';
import { PageStore } from '../src/chunk/page-store.js';
import { OPERATIONS_CAPACITY, Planner } from '../src/chunk/plan.js';
import type { ChunkHeader } from '../src/chunk/record.js';
import { type StoreTally, TALLY } from '../src/chunk/store-plan.js';
import { ZeroChunks } from '../src/chunk/zero-chunks.js';
import { codecName } from '../src/codec/codec.js';
import type { FrameFormat } from '../src/container/frames/record.js';
import type { UnitResult } from '../src/container/frames/totals.js';
import type { UnitCoder } from '../src/container/frames/unit.js';
import { RamferryError } from '../src/errors.js';
import { readExtent } from '../src/io/direct.js';
import { readExactlyAt } from '../src/io/positioned.js';
import { PAGE_BYTES } from '../src/page/size.js';
import { JOB, JOB_FLAG, JOB_HASH, JOB_WIDE, TASK } from '../src/slot/job.js';
import type { SlotViews } from '../src/slot/layout.js';
import type { WorkerStartUp } from '../src/slot/start-up.js';
import { Turns } from '../src/slot/turns.js';
import { CodecCache, serve } from './serve.js';
import { Watch } from './watch.js';

/** One transfer's share in this thread. */
class Compressor {
  readonly shelf: CodecCache;
  readonly #startUp: WorkerStartUp;
  readonly #planner: Planner;
  readonly #zeroChunks: ZeroChunks;
  readonly #pages: PageStore | undefined;
  readonly #turns: Turns | undefined;
  /** Where chunks get their codecs: the shelf, or the watch over it. */
  #codecs: Pick<CodecCache, 'codec'>;
  #watch: Watch | undefined;
  #extent: Buffer | undefined;
  #checkMemory: Buffer | undefined;
  #checkTools: DecodeTools | undefined;

  constructor(startUp: WorkerStartUp) {
    const { maxChunk, store } = startUp;
    this.#startUp = startUp;
    this.#planner = new Planner(maxChunk);
    this.#zeroChunks = new ZeroChunks(this.#planner);
    this.shelf = new CodecCache(startUp);
    this.#codecs = this.shelf;
    this.#pages = store === undefined ? undefined : new PageStore(store.pages);
    this.#turns = store === undefined ? undefined : new Turns(store.turns);
  }

  job(slot: SlotViews): Promise<void> {
    if ((slot.ints[JOB.flags]! & JOB_FLAG.watch) === 0) {
      this.#codecs = this.shelf;
      return this.#work(slot);
    }
    this.#codecs = this.#watch ??= new Watch(this.shelf);
    return this.#watch.job(slot, () => this.#work(slot));
  }

  #work(slot: SlotViews): Promise<void> {
    const { ints, doubles } = slot;
    const readAt = doubles[JOB_WIDE.readAt]!;
    if (readAt < 0) {
      return ints[JOB.task] === TASK.frame ? this.#frame(slot) : this.#encode(slot, slot.front);
    }
    const { fd, alignment, maxChunk } = this.#startUp;
    const length = ints[JOB.inputLength]!;
    if (ints[JOB.hole] === 1 && this.#skipsHole(ints)) return this.#encodeHole(slot);
    if (alignment > 1) {
      readExtent(fd, slot.input, length, readAt, alignment);
      return this.#encode(slot, slot.front);
    }
    // Nobody else needs these bytes: read into memory of our own, which stays in this core's cache from chunk to chunk.
    this.#extent ??= extentMemory(maxChunk);
    readExactlyAt(fd, this.#extent.subarray(OPERATIONS_CAPACITY, OPERATIONS_CAPACITY + length), readAt);
    return this.#encode(slot, this.#extent);
  }

  /** A frame has its bytes from the codec, the self-check compares bytes, and the page store takes them. */
  #skipsHole(ints: Int32Array): boolean {
    const checked = (ints[JOB.flags]! & JOB_FLAG.selfCheck) !== 0;
    return ints[JOB.task] === TASK.encode && !checked && this.#turns === undefined;
  }

  async #encodeHole({ ints, doubles, front, output }: SlotViews): Promise<void> {
    levelOf(ints);
    const { alignment, maxChunk } = this.#startUp;
    const scratch = alignment > 1 ? front : (this.#extent ??= extentMemory(maxChunk));
    const length = ints[JOB.inputLength]!;
    const at = ints[JOB.outputOffset]!;
    const result = await this.#zeroChunks.encode(length, placeOf(doubles), scratch, output, at);
    tell(undefined, ints);
    ints[JOB.outputLength] = result.length;
    ints[JOB.plainLength] = result.header.plainLength;
  }

  /** Method `stream`: the bytes as one standard frame, whatever they are. */
  async #frame(slot: SlotViews): Promise<void> {
    const { ints, hashes } = slot;
    const units = await this.shelf.units(codecName(ints[JOB.codec]!) as FrameFormat);
    const input = slot.input.subarray(0, ints[JOB.inputLength]);
    const result = await units.encode(slot.output, input, levelOf(ints));
    if ((ints[JOB.flags]! & JOB_FLAG.selfCheck) !== 0) await this.#checkFrame(slot, units, result);
    ints[JOB.outputLength] = result.encodedLength;
    ints[JOB.plainLength] = result.decodedLength;
    hashes[JOB_HASH.encoded] = result.encodedHash;
    hashes[JOB_HASH.decoded] = result.decodedHash;
  }

  async #encode(slot: SlotViews, front: Buffer): Promise<void> {
    try {
      await this.#encodeInTurn(slot, front);
    } catch (thrown) {
      this.#turns?.fail(slot.doubles[JOB_WIDE.sequence]!);
      throw thrown;
    }
  }

  /** The chunk's turn at the page store; undefined where the stream has none. */
  #turnOf({ ints, doubles, suggestions }: SlotViews, dry: boolean): StoreTurn | undefined {
    const store = this.#pages;
    const turns = this.#turns;
    if (store === undefined || turns === undefined) return undefined;
    const sequence = doubles[JOB_WIDE.sequence]!;
    const needs = doubles[JOB_WIDE.needs]!;
    const suggested = ints[JOB.suggested] === 1;
    return {
      plan: suggested ? { store, sequence, needs, table: suggestions, dry } : undefined,
      begin: () => turns.wait(needs),
      end: () => turns.end(sequence),
    };
  }

  async #encodeInTurn(slot: SlotViews, front: Buffer): Promise<void> {
    const { ints, doubles } = slot;
    const checked = (ints[JOB.flags]! & JOB_FLAG.selfCheck) !== 0;
    const turn = this.#turnOf(slot, checked);
    const length = ints[JOB.inputLength]!;
    const at = ints[JOB.outputOffset]!;
    const level = levelOf(ints);
    const name = codecName(ints[JOB.codec]!)!;
    const result = await encodeChunk(
      this.#planner,
      { front, length, segments: slot.segments, segmentCount: ints[JOB.segments]! },
      placeOf(doubles),
      {
        codec: name === 'none' || level === 0 ? undefined : this.#codecs.codec(name),
        level,
        storeOnly: ints[JOB.task] === TASK.store,
      },
      slot.output,
      at,
      turn,
    );
    if (checked) await this.#selfCheck(slot.output.subarray(at), result.header);
    // The check has done to the store what the receiver will do.
    if (turn?.plan?.dry === true) turn.end();
    tell(result.store, ints);
    ints[JOB.outputLength] = result.length;
    ints[JOB.plainLength] = result.header.plainLength;
  }

  async #checkFrame(slot: SlotViews, coder: UnitCoder, made: UnitResult): Promise<void> {
    const out = this.#memoryOfCheck(made.decodedLength);
    try {
      await coder.decode(out, slot.output.subarray(0, made.encodedLength), 0);
      if (slot.input.compare(out, 0, out.length, 0, out.length) !== 0) throw new Error('other bytes');
    } catch (cause) {
      throw selfCheckError(slot.doubles[JOB_WIDE.sequence]!, cause);
    }
  }

  /** Decodes what was encoded; the decoded bytes must match the checksum that was taken of the input. */
  async #selfCheck(record: Buffer, header: ChunkHeader): Promise<void> {
    const { maxChunk } = this.#startUp;
    this.#checkTools ??= {
      expander: new Expander(Math.ceil(maxChunk / PAGE_BYTES)),
      scratch: Buffer.allocUnsafeSlow(recordCapacity(maxChunk)),
      codec: (name) => this.shelf.codec(name),
      // The chunk has its turn now: what it needs is complete.
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

function placeOf(doubles: Float64Array): ChunkPlace {
  return {
    sequence: doubles[JOB_WIDE.sequence]!,
    needs: doubles[JOB_WIDE.needs]!,
    offset: doubles[JOB_WIDE.offset]!,
  };
}

/** The main thread may change it as long as nobody has looked, and wants to know what was found. */
function levelOf(ints: Int32Array): number {
  const level = Atomics.load(ints, JOB.level);
  ints[JOB.usedLevel] = level;
  return level;
}

function tell(tally: StoreTally | undefined, ints: Int32Array): void {
  for (const name of TALLY) ints[JOB[name]] = tally?.[name] ?? 0;
}

function selfCheckError(sequence: number, cause: unknown): RamferryError {
  return new RamferryError('ERR_SELF_CHECK', 'a chunk does not decode to what was encoded', {
    sequence,
    cause,
    hint: 'do not trust this host (memory, CPU or codec library): the transfer was stopped before the chunk left',
  });
}

export { started } from './serve.js';

export default function compress(startUp: WorkerStartUp): Promise<void> {
  const compressor = new Compressor(startUp);
  return serve(startUp, compressor.shelf, (slot) => compressor.job(slot));
}
