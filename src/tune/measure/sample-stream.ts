// A sample of a migration stream that comes in order: from a pipe, or a file that is no plain image. The stream passes the same feeder
// and grammar as in `send`, so regions know skeleton from pages. Evenly spaced regions are kept; their distance doubles
// as the stream goes on. The number of regions in memory is bounded, whatever the stream's length.

import { Buffer } from 'node:buffer';

import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { MAX_SEGMENTS } from '../../chunk/segments.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { StreamFeeder } from '../../transfer/sender/feeder.js';
import type { Cut } from '../../transfer/sender/filler.js';
import type { SlotViews } from '../../slot/layout.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { Random } from '../../image/random.js';
import { ProcessClock } from '../../os/processor/cpu-time.js';
import { REGION_BYTES, type Region, type Segments } from './region.js';
import { type Sample, spread } from './sample.js';

interface Kept {
  readonly index: number;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly segments: Segments;
}

/** Slots of the feeder: one that it fills, one for a flush. */
const SLOTS = 3;
/** No reader waits for these bytes: a stall of the writer does not end a region. */
const NEVER_MS = 2 ** 31 - 1;

export interface StreamSampleOptions {
  readonly source: ByteSource;
  /** Bytes that were read to recognise the stream. */
  readonly head: Uint8Array;
  readonly grammar: Grammar;
  /** Most regions to hold. */
  readonly regions: number;
  readonly seed: number;
  /** Called with the bytes seen so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Keeps evenly spaced regions of a stream: when there are too many, every other one goes. */
class Keeper {
  readonly #limit: number;
  readonly #random: Random;
  #every = 1;
  #phase = 0;
  kept: Kept[] = [];
  /** Regions and bytes so far. */
  count = 0;
  bytes = 0;

  constructor(regions: number, seed: number) {
    this.#limit = Math.max(2, regions - (regions % 2));
    this.#random = new Random(seed);
  }

  /** All regions of the stream are kept. */
  get whole(): boolean {
    return this.#every === 1;
  }

  /** Takes the next region. */
  take({ input, segments }: Pick<SlotViews, 'input' | 'segments'>, cut: Cut): void {
    if (this.count % this.#every === this.#phase) {
      this.kept.push({
        index: this.count,
        offset: this.bytes,
        bytes: Buffer.from(input.subarray(0, cut.length)),
        segments: [...segments.subarray(0, cut.segments * 2)],
      });
      if (this.kept.length > this.#limit) this.#thin();
    }
    this.count++;
    this.bytes += cut.length;
  }

  #thin(): void {
    // Which half stays is left to chance.
    this.#phase += this.#random.below(2) === 0 ? 0 : this.#every;
    this.#every *= 2;
    this.kept = this.kept.filter(({ index }) => index % this.#every === this.#phase);
  }
}

/** Slots for the feeder to fill. Nothing is pushed into the pool, so no thread starts. */
function idlePool(): OrderedPool {
  return new OrderedPool({
    entry: COMPRESS_ENTRY,
    threads: 1,
    geometry: {
      slots: SLOTS,
      segments: MAX_SEGMENTS,
      headroom: OPERATIONS_CAPACITY,
      input: REGION_BYTES,
      output: 1,
    },
    startUp: { maxChunk: REGION_BYTES, fd: -1, alignment: 1, zstdBinding: '' },
  });
}

/** Reads the stream to its end. */
export async function sampleStream(options: StreamSampleOptions): Promise<Sample> {
  const { source, head, grammar, onProgress } = options;
  const pool = idlePool();
  const keeper = new Keeper(options.regions, options.seed);
  const clock = new ProcessClock();
  const feeder = new StreamFeeder({
    ...{ source, head, grammar, pool },
    chunkSize: REGION_BYTES,
    regions: false,
    flushAfter: NEVER_MS,
    taker: {
      take: (slot, cut) => {
        if (cut.length > 0) {
          keeper.take(pool.slots[slot]!, cut);
          onProgress?.(keeper.bytes);
        }
        pool.release(slot);
      },
    },
  });
  try {
    await feeder.run();
  } finally {
    await pool.close();
  }
  return sampleOf(keeper, clock.own());
}

/** @param own seconds of processor time that reading took on this thread */
function sampleOf({ kept, count, bytes, whole }: Keeper, own: number): Sample {
  const regions: Region[] = kept.map(({ offset, bytes: held, segments }) => ({
    weight: count / kept.length,
    offset,
    length: held.length,
    held: { bytes: held, segments },
  }));
  const sampled = kept.reduce((sum, each) => sum + each.bytes.length, 0);
  return { regions: spread(regions), bytes, sampled, whole, readerCpu: bytes === 0 ? 0 : own / bytes };
}
