// `Statistics`: counts what a transfer does, and reports it with the terms of QEMU's query-migrate (qapi/migration.json).
// The pipeline adds figures; reports read them. Does no I/O and keeps only numbers, no page contents.
// "Guest side" means the stream as the hypervisor writes or reads it, "link side" the bytes on the link.

import { PAGE_BYTES } from '../../page/size.js';
import type { AdaptiveReport } from '../adaptive/chooser.js';
import type { CodecName } from '../../codec/codec.js';
import type { ErrorData } from '../../errors.js';
import type { StreamEnd } from '../../grammar/grammar.js';
import { monotonicMs } from '../../os/time/clock.js';
import { processMicros } from '../../os/processor/cpu-time.js';
import { BreakCount } from '../../link/resume/breaks.js';
import { peakMemory } from '../../os/memory/peak-memory.js';
import type { Convergence } from './convergence.js';
import { perSecond, present, rounded } from './arithmetic.js';
import type { ChunkCounts, PageCounts, PageTally, StoreCounts } from './counts.js';
import type { Progress, SharedMemoryFigures, TransferStatus, TransferSummary } from './summary.js';

/** Clock and resource counters of the process; tests pass fixed figures. */
export interface Meter {
  /** Milliseconds on a monotonic clock. */
  now(): number;
  cpuSeconds(): number;
  peakMemory(): number;
}

const processMeter: Meter = {
  now: monotonicMs,
  cpuSeconds: () => processMicros() / 1e6,
  peakMemory,
};

export interface StatisticsOptions {
  /** Bytes of the guest's stream, when known at the start. */
  readonly totalBytes?: number;
  readonly meter?: Meter;
}

/** Getters that a report calls while the transfer runs. Each may return undefined. */
export interface Observed {
  /** The report of adaptive mode. */
  readonly adaptive?: (() => AdaptiveReport | undefined) | undefined;
  /** Rounds of pre-copy seen so far. */
  readonly roundCount?: (() => number | undefined) | undefined;
  /** The judgement of the rounds; only where a running guest writes the stream. */
  readonly convergence?: (() => Convergence | undefined) | undefined;
  /** Milliseconds for which reads were delayed near the end of rounds. */
  readonly heldBack?: (() => number | undefined) | undefined;
  /** Why no grammar could follow the stream to its end. */
  readonly opaqueBecause?: (() => string | undefined) | undefined;
  /** Which setting of the hypervisor would help. */
  readonly opaqueHint?: (() => string | undefined) | undefined;
  /** The sender's pages by what its grammar knows of them. */
  readonly tally?: (() => PageTally | undefined) | undefined;
}

export class Statistics {
  #guestBytes = 0;
  #linkBytes = 0;
  /** Bytes on the guest's side that the receiver has acknowledged; undefined where it does not answer. */
  deliveredBytes: number | undefined;
  #totalBytes: number | undefined;
  #busy = 0;
  #downtime: number | undefined;
  #resumedFrom: number | undefined;
  #breaks: BreakCount | undefined;
  #sharedMemory: SharedMemoryFigures | undefined;
  #streamEnd: StreamEnd | undefined;
  #store: StoreCounts | undefined;
  #observed: Observed = {};
  readonly #meter: Meter;
  readonly #start: number;
  readonly #startCpu: number;
  #flowing: number | undefined;
  readonly #pages: PageCounts = { zero: 0, duplicate: 0, same: 0, delta: 0, literal: 0 };
  readonly #codecs = new Map<CodecName, { chunks: number; decoded: number; encoded: number }>();
  #chunks = 0;
  #stored = 0;
  #codecPages = 0;

  /** Starts the clock. */
  constructor({ totalBytes, meter = processMeter }: StatisticsOptions = {}) {
    this.#totalBytes = totalBytes;
    this.#meter = meter;
    this.#start = meter.now();
    this.#startCpu = meter.cpuSeconds();
  }

  /** Ends the set-up time: data can flow from now on. Only the first call counts. */
  setupDone(): void {
    this.#flowing ??= this.#meter.now();
  }

  /** Bytes on the guest's side so far. */
  get guestBytes(): number {
    return this.#guestBytes;
  }

  /** Bytes on the link so far, headers included. */
  get linkBytes(): number {
    return this.#linkBytes;
  }

  /** Adds bytes on the guest's side. */
  addGuestBytes(bytes: number): void {
    this.#guestBytes += bytes;
  }

  /** Adds bytes on the link. */
  addLinkBytes(bytes: number): void {
    this.#linkBytes += bytes;
  }

  /** Sets the bytes on the link: the receiver has read up to this offset. */
  reachLinkByte(offset: number): void {
    this.#linkBytes = offset;
  }

  /** Sets the length of the guest's stream. */
  expectBytes(total: number): void {
    this.#totalBytes = total;
  }

  /** Sets the number of chunks that found no free thread. */
  recordBusy(chunks: number): void {
    this.#busy = chunks;
  }

  /** Sets the results of the sender's page store at the end of the transfer. */
  recordStore(counts: StoreCounts): void {
    this.#store = counts;
  }

  /** Sets how the input ended. */
  recordStreamEnd(end: StreamEnd): void {
    this.#streamEnd = end;
  }

  /** Sets how many bytes of the guest's stream an earlier transfer has brought. They are in no other figure. */
  recordResumed(bytes: number): void {
    this.#resumedFrom = bytes;
  }

  /** Counts the breaks of a link that mends. @param reconnect milliseconds; 0 = it does not */
  countBreaks(reconnect: number): BreakCount | undefined {
    if (reconnect > 0) this.#breaks = new BreakCount();
    return this.#breaks;
  }

  /** Sets the downtime in milliseconds. Only where the guest's stop and resumption were observed. */
  recordDowntime(milliseconds: number): void {
    this.#downtime = milliseconds;
  }

  recordSharedMemory(figures: SharedMemoryFigures): void {
    this.#sharedMemory = figures;
  }

  /** Adds getters for the reports; a getter that is absent keeps its earlier value. */
  observe(observed: Observed): void {
    this.#observed = { ...this.#observed, ...observed };
  }

  addChunk(chunk: ChunkCounts): void {
    this.#chunks++;
    if (chunk.stored) this.#stored++;
    const { zero = 0, duplicate = 0, same = 0, delta = 0, literal = 0 } = chunk.pages;
    const pages = this.#pages;
    pages.zero += zero;
    pages.duplicate += duplicate;
    pages.same += same;
    pages.delta += delta;
    pages.literal += literal;
    if (chunk.codec !== 'none') this.#codecPages += literal + delta;
    let counts = this.#codecs.get(chunk.codec);
    if (counts === undefined) this.#codecs.set(chunk.codec, (counts = { chunks: 0, decoded: 0, encoded: 0 }));
    counts.chunks++;
    counts.decoded += chunk.decoded;
    counts.encoded += chunk.encoded;
  }

  progress(): Progress {
    const { guestBytes, linkBytes } = this;
    const totalBytes = this.#totalBytes;
    const seconds = this.#flowingTime() / 1000;
    const guestRate = perSecond(guestBytes, seconds);
    const remainingTime =
      totalBytes === undefined || guestRate === 0
        ? undefined
        : (Math.max(0, totalBytes - guestBytes) / guestRate) * 1000;
    return {
      elapsed: this.#meter.now() - this.#start,
      guestBytes,
      linkBytes,
      ...present('deliveredBytes', this.deliveredBytes),
      totalBytes,
      guestRate,
      linkRate: perSecond(linkBytes, seconds),
      ratio: linkBytes === 0 ? undefined : guestBytes / linkBytes,
      remainingTime,
      ...present('dirtySyncCount', this.#observed.roundCount?.()),
      ...present('linkBreaks', this.#breaks?.figures),
      ...present('convergence', this.#observed.convergence?.()),
      ...present('adaptive', this.#observed.adaptive?.()),
    };
  }

  summary(status: TransferStatus, error?: ErrorData): TransferSummary {
    const pages = { ...this.#pages, ...this.#observed.tally?.() };
    const all = pages.zero + pages.duplicate + pages.same + pages.delta + pages.literal;
    const seconds = this.#flowingTime() / 1000;
    const convergence = this.#observed.convergence?.();
    const succeeded = status === 'completed' || status === 'unverified';
    const total = succeeded ? this.#guestBytes : Math.max(this.#guestBytes, this.#totalBytes ?? 0);
    return {
      status,
      ...present('streamEnd', this.#streamEnd?.state),
      totalTime: Math.round(this.#meter.now() - this.#start),
      setupTime: Math.round((this.#flowing ?? this.#meter.now()) - this.#start),
      ...(this.#downtime === undefined ? {} : { downtime: Math.round(this.#downtime) }),
      ram: {
        transferred: this.#linkBytes,
        remaining: total - this.#guestBytes,
        total,
        duplicate: pages.zero,
        skipped: pages.duplicate + pages.same,
        normal: pages.literal + pages.delta,
        normalBytes: (pages.literal + pages.delta) * PAGE_BYTES,
        mbps: rounded((perSecond(this.#linkBytes, seconds) * 8) / 1e6),
        pagesPerSecond: Math.round(perSecond(all, seconds)),
        pageSize: PAGE_BYTES,
        ...present('dirtySyncCount', this.#sharedMemory?.rounds ?? this.#observed.roundCount?.()),
        ...present('dirtyPagesRate', convergence?.dirtyPagesRate),
      },
      ...present('resumedFrom', this.#resumedFrom),
      ...present('linkBreaks', this.#breaks?.figures),
      ...present('convergence', convergence),
      ...present('sharedMemory', this.#sharedMemory),
      ...present('heldBack', this.#observed.heldBack?.()),
      ...present('opaqueBecause', this.#observed.opaqueBecause?.()),
      ...present('opaqueHint', this.#observed.opaqueHint?.()),
      ...this.#compression(),
      ...this.#xbzrleCache(),
      pages,
      chunks: {
        total: this.#chunks,
        stored: this.#stored,
        codecs: Object.fromEntries([...this.#codecs].map(([codec, counts]) => [codec, { ...counts }])),
      },
      ...present('adaptive', this.#observed.adaptive?.()),
      cpuSeconds: rounded(this.#meter.cpuSeconds() - this.#startCpu),
      peakMemory: this.#meter.peakMemory(),
      ...(error === undefined ? {} : { error }),
    };
  }

  #xbzrleCache(): Pick<TransferSummary, 'xbzrleCache'> {
    const store = this.#store;
    if (store === undefined) return {};
    const { delta } = this.#pages;
    const { bytes, resent, missed, overflow, deltaBytes, turnedOff } = store;
    return {
      xbzrleCache: {
        cacheSize: bytes,
        bytes: deltaBytes,
        pages: delta,
        cacheMiss: missed,
        cacheMissRate: resent === 0 ? 0 : rounded(missed / resent),
        encodingRate: deltaBytes === 0 ? 0 : rounded((delta * PAGE_BYTES) / deltaBytes),
        overflow,
        turnedOff,
      },
    };
  }

  #compression(): Pick<TransferSummary, 'compression'> {
    let before = 0;
    let after = 0;
    for (const [codec, counts] of this.#codecs) {
      if (codec === 'none') continue;
      before += counts.decoded;
      after += counts.encoded;
    }
    if (after === 0) return {};
    return {
      compression: {
        pages: this.#codecPages,
        busy: this.#busy,
        busyRate: rounded(this.#busy / this.#chunks),
        compressedSize: after,
        compressionRate: rounded(before / after),
      },
    };
  }

  /** Milliseconds since data could flow. */
  #flowingTime(): number {
    return this.#flowing === undefined ? 0 : this.#meter.now() - this.#flowing;
  }
}
