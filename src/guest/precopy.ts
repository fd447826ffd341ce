// Pre-copy as a hypervisor does it: rounds over the dirty pages, then pause and stop-and-copy. The live rounds end when
// the dirty pages can be sent within the downtime limit, or at the limit of rounds. Throughput follows from the sink's
// back-pressure. Takes a writer, a bitmap and an activity; knows no stream format and no memory.

import type { ByteSink } from '../io/bytes.js';
import { expectedDowntimeMs } from '../model/precopy.js';
import { PAGE_BYTES } from '../page/size.js';
import type { Activity } from './activity.js';
import type { Clock } from './clock.js';
import type { DirtyBitmap } from './dirty-bitmap.js';
import { BATCH_PAGES, type StreamWriter } from './stream/stream-writer.js';

/** When the guest is paused. */
export type PausePolicy =
  | {
      readonly kind: 'converge';
      /** QEMU's downtime-limit in ms. */
      readonly downtimeLimit: number;
      /** Live rounds after which the guest is paused in any case, at least 1. */
      readonly maxRounds: number;
    }
  | {
      readonly kind: 'fixed';
      /** Live rounds, at least 1: the first sends all of RAM. */
      readonly rounds: number;
    };

export interface RoundStatistics {
  /** From 1; the stop-and-copy round is the last. */
  readonly round: number;
  readonly paused: boolean;
  /** Pages of RAM sent. */
  readonly pages: number;
  /** Bytes of the stream. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** Pages that are dirty when the round ends. */
  readonly dirtyPages: number;
  /** Pages made dirty per second; 0 where no time passed. */
  readonly dirtyRate: number;
  /** Bytes per second; Infinity where no time passed. */
  readonly throughput: number;
  /** Milliseconds that stop-and-copy would take now. */
  readonly expectedDowntime: number;
}

export interface PrecopyResult {
  readonly rounds: readonly RoundStatistics[];
  /** False when maxRounds ended the live rounds. With a fixed number of rounds: whether no dirty page was left. */
  readonly converged: boolean;
  /** Time of the clock when the guest was paused. */
  readonly pausedAt: number;
}

export interface PrecopyParts {
  readonly writer: StreamWriter;
  /** Bytes in its queue, which the peer has not read yet, delay the last round. */
  readonly sink: ByteSink;
  /** Has one bit for each of the writer's frames. */
  readonly dirty: DirtyBitmap;
  /** Size of RAM in pages. Frames beyond it do not count as pages. */
  readonly ramPages: number;
  readonly activity: Activity;
  readonly clock: Clock;
  readonly policy: PausePolicy;
  readonly onRound?: (round: RoundStatistics) => void;
}

/** Socket buffers take a shorter round whole, so its throughput is no measure of the link. */
const MIN_SAMPLE_MS = 100;

/** Sends everything up to the last page. The writer's finish() sends device state and the end of the stream. */
export async function runPrecopy(parts: PrecopyParts): Promise<PrecopyResult> {
  return new Precopy(parts).run();
}

class Precopy {
  readonly #parts: PrecopyParts;
  readonly #rounds: RoundStatistics[] = [];
  #startedAt = 0;
  #startBytes = 0;

  constructor(parts: PrecopyParts) {
    this.#parts = parts;
  }

  async run(): Promise<PrecopyResult> {
    const { dirty, activity, clock, policy } = this.#parts;
    dirty.markAll();
    this.#startedAt = clock.now();
    this.#startBytes = this.#parts.writer.bytes;
    activity.start();
    const limit = policy.kind === 'fixed' ? policy.rounds : policy.maxRounds;
    let converged = false;
    for (let round = 1; round <= limit && !converged; round++) {
      const { expectedDowntime, dirtyPages } = await this.#round(false);
      if (policy.kind === 'converge') converged = expectedDowntime <= policy.downtimeLimit;
      else converged = round === limit && dirtyPages === 0;
    }
    const pausedAt = clock.now();
    await this.#round(true);
    return { rounds: this.#rounds, converged, pausedAt };
  }

  async #round(paused: boolean): Promise<RoundStatistics> {
    const { writer, dirty, ramPages, activity, clock } = this.#parts;
    const began = clock.now();
    const bytesBefore = writer.bytes;
    const due = dirty.take();
    let frames = 0;
    let pages = 0;
    activity.nextRound();
    await writer.beginRound(paused);
    for (const batch of due.batches(BATCH_PAGES)) {
      await writer.pages(batch);
      frames += batch.length;
      pages +=
        batch[batch.length - 1]! < ramPages ? batch.length : batch.filter((at) => at < ramPages).length;
      if (!paused) activity.advance(frames / due.count);
    }
    await writer.endRound();
    if (!paused) activity.advance(1);
    const milliseconds = clock.now() - began;
    const bytes = writer.bytes - bytesBefore;
    const throughput = this.#throughput(bytes, milliseconds);
    const statistics: RoundStatistics = {
      round: this.#rounds.length + 1,
      paused,
      pages,
      bytes,
      milliseconds,
      dirtyPages: dirty.count,
      dirtyRate: milliseconds > 0 ? (dirty.count * 1000) / milliseconds : 0,
      throughput,
      expectedDowntime: this.#expectedDowntime(throughput),
    };
    this.#rounds.push(statistics);
    this.#parts.onRound?.(statistics);
    return statistics;
  }

  /** Throughput of this round if it lasted MIN_SAMPLE_MS, otherwise of all rounds so far. */
  #throughput(bytes: number, milliseconds: number): number {
    if (milliseconds >= MIN_SAMPLE_MS) return (bytes * 1000) / milliseconds;
    const elapsed = this.#parts.clock.now() - this.#startedAt;
    if (elapsed <= 0) return Infinity;
    return ((this.#parts.writer.bytes - this.#startBytes) * 1000) / elapsed;
  }

  #expectedDowntime(throughput: number): number {
    const left = this.#parts.dirty.count * PAGE_BYTES + this.#parts.sink.queued();
    return expectedDowntimeMs(left, throughput);
  }
}
