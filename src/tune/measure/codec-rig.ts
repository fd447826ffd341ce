// The test rig: chunks of a sample through the real compression workers and the real decompression workers, at one
// coding after the other. It measures and decides nothing. The phases take turns, so that on a host with one CPU they do
// not disturb each other.

import { Buffer } from 'node:buffer';

import { recordCapacity } from '../../chunk/encode.js';
import { OPERATIONS_CAPACITY } from '../../chunk/plan.js';
import { readChunkHeader } from '../../chunk/record.js';
import { MAX_SEGMENTS } from '../../chunk/segments.js';
import type { CodecName } from '../../codec/codec.js';
import { COMPRESS_ENTRY, DECOMPRESS_ENTRY } from '../../os/entries.js';
import { PAGE_BYTES } from '../../page/size.js';
import { OrderedPool } from '../../pool/ordered-pool.js';
import { TASK } from '../../slot/job.js';
import { piecesOf, REGION_BYTES, type Region } from './region.js';
import { RigStore } from './codec-rig-store.js';
import { ProcessClock } from '../../os/processor/cpu-time.js';

/** What a chunk is done with. */
export interface Coding {
  /** Codec. */
  readonly codec: CodecName;
  /** Level. */
  readonly level: number;
  /** Bytes of guest stream in a chunk. */
  readonly chunkSize: number;
}

/** What became of a region. */
export interface RegionFigures {
  readonly guestBytes: number;
  /** Bytes of its records. */
  readonly wireBytes: number;
  readonly chunks: number;
  /** Seconds of processor time of one worker, there and back. */
  readonly encode: number;
  readonly decode: number;
  readonly pages: { readonly zero: number; readonly duplicate: number; readonly literal: number };
}

/** What is counted of a region while its chunks are encoded. */
interface RegionCount {
  guestBytes: number;
  wireBytes: number;
  chunks: number;
  pages: { zero: number; duplicate: number; literal: number };
}

/** One phase over some regions. */
export interface Phase {
  readonly wall: number;
  /** Seconds of processor time of the workers. */
  readonly cpu: number;
  /** Of that, what the jobs of each region took on their threads' own clocks. */
  readonly regions: readonly number[];
}

export interface RigOptions {
  /** Descriptor that the workers read regions from; -1 where all regions are held in memory. */
  readonly fd: number;
  readonly threads: number;
  readonly zstdBinding?: string | undefined;
  /** Earlier contents of all pages of a run, in their order: they travel as differences then. */
  readonly before?: Buffer | undefined;
}

/** So that slots never limit, as in a transfer. */
function slotsFor(threads: number): number {
  return 2 * threads + 2;
}

export class CodecRig {
  readonly threads: number;
  readonly #encoders: OrderedPool;
  readonly #decoders: OrderedPool;
  /** Records between the phases, by chunk. */
  #records: Buffer[] = [];
  #room = Buffer.alloc(0);
  readonly #store: RigStore | undefined;

  constructor(options: RigOptions) {
    this.threads = options.threads;
    const startUp = {
      maxChunk: REGION_BYTES,
      alignment: 1,
      zstdBinding: options.zstdBinding ?? '',
    };
    const slots = slotsFor(options.threads);
    const room = recordCapacity(REGION_BYTES);
    const { before } = options;
    this.#store = before === undefined ? undefined : new RigStore(before, slots);
    this.#encoders = new OrderedPool({
      entry: COMPRESS_ENTRY,
      threads: options.threads,
      geometry: {
        slots,
        segments: MAX_SEGMENTS,
        suggestions: before === undefined ? 0 : REGION_BYTES / PAGE_BYTES,
        headroom: OPERATIONS_CAPACITY,
        input: REGION_BYTES,
        output: room,
      },
      startUp: { ...startUp, fd: options.fd, store: this.#store?.encoders },
    });
    this.#decoders = new OrderedPool({
      entry: DECOMPRESS_ENTRY,
      threads: options.threads,
      geometry: { slots, segments: 0, headroom: 0, input: room, output: REGION_BYTES },
      startUp: { ...startUp, fd: -1, store: this.#store?.decoders },
    });
  }

  /** Regions there and back at one coding. */
  async run(
    coding: Coding,
    regions: readonly Region[],
  ): Promise<{
    readonly figures: readonly RegionFigures[];
    readonly encode: Phase;
    readonly decode: Phase;
  }> {
    const room = regions.reduce((sum, { length }) => sum + length + (length / coding.chunkSize + 1) * 256, 0);
    if (this.#room.length < room) this.#room = Buffer.allocUnsafeSlow(Math.ceil(room));
    this.#store?.prime();
    const { phase: encode, counts } = await this.#encode(coding, regions);
    const decode = await this.#decode(counts.map(({ chunks }) => chunks));
    const figures = counts.map((count, index) => ({
      ...count,
      encode: share(encode, index),
      decode: share(decode, index),
    }));
    return { figures, encode, decode };
  }

  async close(): Promise<void> {
    this.#records = [];
    await Promise.all([this.#encoders.close(), this.#decoders.close()]);
  }

  async #encode(
    coding: Coding,
    regions: readonly Region[],
  ): Promise<{ phase: Phase; counts: RegionCount[] }> {
    const pool = this.#encoders;
    const counts = regions.map(({ length }) => ({
      guestBytes: length,
      wireBytes: 0,
      chunks: 0,
      pages: { zero: 0, duplicate: 0, literal: 0 },
    }));
    const seconds = regions.map(() => 0);
    const owner: number[] = [];
    this.#records = [];
    let used = 0;
    const clock = new ProcessClock();
    const feeding = this.#feedEncoders(coding, regions, owner);
    const total = regions.reduce((sum, region) => sum + piecesOf(region, coding.chunkSize).length, 0);
    for (let done = 0; done < total; done++) {
      const index = (await pool.next())!;
      const { encode: job, output } = pool.slots[index]!;
      const record = this.#room.subarray(used, used + job.outputLength);
      record.set(output.subarray(0, job.outputLength));
      used += record.length;
      this.#records.push(record);
      const at = owner[done]!;
      seconds[at]! += job.cpuMicros / 1e6;
      this.#count(counts[at]!, record);
      pool.release(index);
    }
    await feeding;
    return { phase: { wall: clock.wall(), cpu: clock.others(), regions: seconds }, counts };
  }

  /** Pushes all chunks of the regions. @param owner takes the index of each chunk's region, in chunk order */
  async #feedEncoders(coding: Coding, regions: readonly Region[], owner: number[]): Promise<void> {
    const pool = this.#encoders;
    let page = 0;
    for (const [at, region] of regions.entries()) {
      for (const piece of piecesOf(region, coding.chunkSize)) {
        const index = await pool.acquire();
        const slot = pool.slots[index]!;
        const { encode: job, segments, input } = slot;
        segments.set(piece.segments);
        job.begin();
        job.task = TASK.encode;
        job.inputLength = piece.length;
        job.segmentCount = piece.segments.length / 2;
        job.codec = coding.codec;
        job.level = coding.level;
        job.watched = true;
        const pages = Math.floor(piece.length / PAGE_BYTES);
        job.sequence = this.#store?.enter(slot, page, pages) ?? owner.length;
        page += pages;
        job.offset = region.offset + piece.start;
        if (region.held === undefined) {
          job.readAt = job.offset;
        } else {
          input.set(region.held.bytes.subarray(piece.start, piece.start + piece.length));
        }
        owner.push(at);
        pool.push(index);
      }
    }
  }

  #count(count: RegionCount, record: Buffer): void {
    count.wireBytes += record.length;
    count.chunks++;
    const header = readChunkHeader(record, 0, REGION_BYTES, this.#store !== undefined);
    count.pages.zero += header.zero;
    count.pages.duplicate += header.duplicate;
    count.pages.literal += header.literal;
  }

  /** @param chunks of each region */
  async #decode(chunks: readonly number[]): Promise<Phase> {
    const pool = this.#decoders;
    const records = this.#records;
    const seconds = chunks.map(() => 0);
    const clock = new ProcessClock();
    const feeding = (async () => {
      for (const [sequence, record] of records.entries()) {
        const index = await pool.acquire();
        const { decode: job, input } = pool.slots[index]!;
        input.set(record);
        job.begin();
        job.task = TASK.decode;
        job.watched = true;
        job.inputLength = record.length;
        job.sequence = sequence;
        pool.push(index);
      }
    })();
    for (const [at, count] of chunks.entries()) {
      for (let done = 0; done < count; done++) {
        const index = (await pool.next())!;
        seconds[at]! += pool.slots[index]!.job.cpuMicros / 1e6;
        pool.release(index);
      }
    }
    await feeding;
    return { wall: clock.wall(), cpu: clock.others(), regions: seconds };
  }
}

/** The region's part of the phase's processor time: in proportion to its jobs. */
function share({ cpu, regions }: Phase, index: number): number {
  const inside = regions.reduce((sum, each) => sum + each, 0);
  return inside === 0 ? 0 : (cpu * regions[index]!) / inside;
}
