// Counts what a transfer does, and says it in the words of QEMU's query-migrate (qapi/migration.json).
// Fed by the engine, read by reports. Does no I/O and keeps no page bytes: numbers only.
// "Guest side" is the stream as the hypervisor writes or reads it, "link side" what travels.

import { PAGE_BYTES } from '../../page/size.js';
import type { AdaptiveReport } from '../adaptive/chooser.js';
import type { CodecName } from '../../codec/codec.js';
import type { ErrorData } from '../../errors.js';
import type { StreamEnd } from '../../grammar/grammar.js';
import { peakMemory } from '../../os/peak-memory.js';
import type { Convergence } from './convergence.js';
import type { ChunkCounts, PageCounts, StoreCounts } from './counts.js';
import type { Progress, SharedMemoryFigures, TransferStatus, TransferSummary } from './summary.js';

/** What a process tells about itself; tests put fixed numbers in its place. */
export interface Meter {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  cpuSeconds(): number;
  peakMemory(): number;
}

const processMeter: Meter = {
  now: () => performance.now(),
  cpuSeconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  peakMemory,
};

export interface StatisticsOptions {
  /** Size of the guest's stream, when it is known beforehand. */
  readonly totalBytes?: number;
  readonly meter?: Meter;
}

export class Statistics {
  /** Bytes on the guest's side so far; the engine adds. */
  guestBytes = 0;
  /** Bytes on the link so far, headers and all; the engine adds. */
  linkBytes = 0;
  /** Chunks that found no free compression thread. */
  busy = 0;
  /** Milliseconds, if somebody saw the guest stop and resume. */
  downtime: number | undefined;
  /** Where the adaptive mode is at work. */
  adaptive: (() => AdaptiveReport) | undefined;
  totalBytes: number | undefined;
  sharedMemory: SharedMemoryFigures | undefined;
  /** How many rounds were seen. */
  roundCount: (() => number | undefined) | undefined;
  /** What is to be said about them; only where somebody writes the stream meanwhile. */
  convergence: (() => Convergence | undefined) | undefined;
  /** Of a sender, when its input is over. */
  streamEnd: StreamEnd | undefined;
  /** Asks why the stream could not be followed to its end; absent where no stream is walked. */
  opaqueBecause: (() => string | undefined) | undefined;
  /** Of a sender with a page store, when the transfer has ended. */
  store: StoreCounts | undefined;

  readonly #meter: Meter;
  readonly #start: number;
  readonly #startCpu: number;
  #flowing: number | undefined;
  readonly #pages: PageCounts = { zero: 0, duplicate: 0, same: 0, delta: 0, literal: 0 };
  readonly #codecs = new Map<CodecName, { chunks: number; decoded: number; encoded: number }>();
  #chunks = 0;
  #stored = 0;
  #codecPages = 0;

  /** The clock starts here. */
  constructor({ totalBytes, meter = processMeter }: StatisticsOptions = {}) {
    this.totalBytes = totalBytes;
    this.#meter = meter;
    this.#start = meter.now();
    this.#startCpu = meter.cpuSeconds();
  }

  /** Data can flow from now on: ends the set-up time. Only the first call counts. */
  setupDone(): void {
    this.#flowing ??= this.#meter.now();
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
    const { guestBytes, linkBytes, totalBytes } = this;
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
      totalBytes,
      guestRate,
      linkRate: perSecond(linkBytes, seconds),
      ratio: linkBytes === 0 ? undefined : guestBytes / linkBytes,
      remainingTime,
      ...present('convergence', this.convergence?.()),
    };
  }

  summary(status: TransferStatus, error?: ErrorData): TransferSummary {
    const pages = { ...this.#pages };
    const all = pages.zero + pages.duplicate + pages.same + pages.delta + pages.literal;
    const seconds = this.#flowingTime() / 1000;
    const convergence = this.convergence?.();
    const succeeded = status === 'completed' || status === 'unverified';
    const total = succeeded ? this.guestBytes : Math.max(this.guestBytes, this.totalBytes ?? 0);
    return {
      status,
      ...present('stream-end', this.streamEnd?.state),
      'total-time': Math.round(this.#meter.now() - this.#start),
      'setup-time': Math.round((this.#flowing ?? this.#meter.now()) - this.#start),
      ...(this.downtime === undefined ? {} : { downtime: Math.round(this.downtime) }),
      ram: {
        transferred: this.linkBytes,
        remaining: total - this.guestBytes,
        total,
        duplicate: pages.zero,
        skipped: pages.duplicate + pages.same,
        normal: pages.literal + pages.delta,
        'normal-bytes': (pages.literal + pages.delta) * PAGE_BYTES,
        mbps: rounded((perSecond(this.linkBytes, seconds) * 8) / 1e6),
        'pages-per-second': Math.round(perSecond(all, seconds)),
        'page-size': PAGE_BYTES,
        ...present('dirty-sync-count', this.sharedMemory?.rounds ?? this.roundCount?.()),
        ...present('dirty-pages-rate', convergence?.['dirty-pages-rate']),
      },
      ...present('convergence', convergence),
      ...present('shared-memory', this.sharedMemory),
      ...present('opaque-because', this.opaqueBecause?.()),
      ...this.#compression(),
      ...this.#xbzrleCache(),
      pages,
      chunks: {
        total: this.#chunks,
        stored: this.#stored,
        codecs: Object.fromEntries([...this.#codecs].map(([codec, counts]) => [codec, { ...counts }])),
      },
      ...(this.adaptive === undefined ? {} : { adaptive: this.adaptive() }),
      'cpu-seconds': rounded(this.#meter.cpuSeconds() - this.#startCpu),
      'peak-memory': this.#meter.peakMemory(),
      ...(error === undefined ? {} : { error }),
    };
  }

  #xbzrleCache(): Pick<TransferSummary, 'xbzrle-cache'> {
    const { store } = this;
    if (store === undefined) return {};
    const { delta } = this.#pages;
    const { bytes, resent, missed, overflow, deltaBytes, turnedOff } = store;
    return {
      'xbzrle-cache': {
        'cache-size': bytes,
        bytes: deltaBytes,
        pages: delta,
        'cache-miss': missed,
        'cache-miss-rate': resent === 0 ? 0 : rounded(missed / resent),
        'encoding-rate': deltaBytes === 0 ? 0 : rounded((delta * PAGE_BYTES) / deltaBytes),
        overflow,
        'turned-off': turnedOff,
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
        busy: this.busy,
        'busy-rate': rounded(this.busy / this.#chunks),
        'compressed-size': after,
        'compression-rate': rounded(before / after),
      },
    };
  }

  /** Milliseconds since data could flow. */
  #flowingTime(): number {
    return this.#flowing === undefined ? 0 : this.#meter.now() - this.#flowing;
  }
}

/** One field, or none when there is nothing to say. */
function present<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}

function perSecond(amount: number, seconds: number): number {
  return seconds > 0 ? amount / seconds : 0;
}

/** Three decimals: what follows is noise. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
