// A sample of a migration stream that comes in order: from a pipe, or a file that is no plain image. The stream goes through
// the same feeder and grammar as in `send`, so regions know skeleton from pages; evenly spaced regions are kept, ever
// further apart as the stream goes on. Bounded: so many regions in memory, whatever the stream's length.

import { Buffer } from 'node:buffer';

import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { MAX_SEGMENTS } from '../../chunk/segments.js';
import type { Grammar } from '../../grammar/grammar.js';
import type { ByteSource } from '../../io/bytes.js';
import { COMPRESS_ENTRY } from '../../os/entries.js';
import { StreamFeeder } from '../../transfer/sender/feeder.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { Random } from '../../image/random.js';
import { ProcessClock } from '../../os/process-clock.js';
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
/** Nobody waits for bytes here: a stall of the writer does not end a region. */
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

/** Reads the stream to its end. */
export async function sampleStream(options: StreamSampleOptions): Promise<Sample> {
  const { source, head, grammar, onProgress } = options;
  const limit = Math.max(2, options.regions - (options.regions % 2));
  // Never pushed to: no thread is started.
  const pool = new OrderedPool({
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
  let kept: Kept[] = [];
  let every = 1;
  const random = new Random(options.seed);
  let phase = 0;
  let index = 0;
  let bytes = 0;
  const clock = new ProcessClock();
  const feeder = new StreamFeeder({
    source,
    head,
    grammar,
    pool,
    chunkSize: REGION_BYTES,
    regions: false,
    flushAfter: NEVER_MS,
    taker: {
      take: (slot, cut) => {
        if (cut.length > 0) {
          if (index % every === phase) {
            const { input, segments } = pool.slots[slot]!;
            kept.push({
              index,
              offset: bytes,
              bytes: Buffer.from(input.subarray(0, cut.length)),
              segments: [...segments.subarray(0, cut.segments * 2)],
            });
            if (kept.length > limit) {
              // Every other one goes; which half stays is left to chance.
              const next = phase + (random.below(2) === 0 ? 0 : every);
              every *= 2;
              phase = next;
              kept = kept.filter((each) => each.index % every === phase);
            }
          }
          index++;
          bytes += cut.length;
          onProgress?.(bytes);
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
  const own = clock.own();
  const regions: Region[] = kept.map(({ offset, bytes: held, segments }) => ({
    weight: index / kept.length,
    offset,
    length: held.length,
    held: { bytes: held, segments },
  }));
  const sampled = kept.reduce((sum, each) => sum + each.bytes.length, 0);
  return {
    regions: spread(regions),
    bytes,
    sampled,
    whole: every === 1,
    readerCpu: bytes === 0 ? 0 : own / bytes,
  };
}
