// Counts what a transfer does, and says it in the words of QEMU's query-migrate (qapi/migration.json).
// Fed by the engine, read by reports. Does no I/O and keeps no page bytes: numbers only.
// "Guest side" is the stream as the hypervisor writes or reads it, "link side" what travels.

import type { AdaptiveReport } from './adaptive/chooser.js';
import type { CodecName } from '../codec/codec.js';
import type { ErrorData } from '../errors.js';
import { PAGE_SIZE } from '../grammar/grammar.js';
import type { Convergence } from './convergence.js';

/** How pages were represented (docs/FORMAT.md), in pages. */
export interface PageCounts {
  /** only a fill byte */
  zero: number;
  /** a reference to an equal page of the same chunk, or of the store */
  duplicate: number;
  /** unchanged since the page was sent before */
  same: number;
  /** the difference to what was sent before */
  delta: number;
  /** whole, handed to the codec */
  literal: number;
}

/** What one chunk was, as far as counting goes. */
export interface ChunkCounts {
  /** The codec that was used for this chunk; `none` when it was stored. */
  readonly codec: CodecName;
  /** Bytes of the guest's stream that the chunk stands for. */
  readonly decoded: number;
  /** Bytes of its record on the link. */
  readonly encoded: number;
  /** Representations that did not occur may be left out. */
  readonly pages: Readonly<Partial<PageCounts>>;
  /** Sent as it is because compression gained nothing, or because no thread was free. */
  readonly stored: boolean;
}

/**
 * Whether a native chunk's contents went without a codec: literal pages, or bytes whose pages nobody looked for because
 * no thread was free. A chunk of nothing but zero and duplicate pages leaves nothing for a codec.
 */
export function wasStored(codec: CodecName, pages: Readonly<Partial<PageCounts>>): boolean {
  const { zero = 0, duplicate = 0, same = 0, delta = 0, literal = 0 } = pages;
  return codec === 'none' && (literal + delta > 0 || zero + duplicate + same === 0);
}

/** What the sender's page store was good for, in pages where nothing else is said. */
export interface StoreCounts {
  /** Size of the store in bytes. */
  readonly bytes: number;
  /** Sent again, and the store had to do with them. */
  readonly resent: number;
  /** Of those: their earlier contents were not there. */
  readonly missed: number;
  /** For which a delta did not pay. */
  readonly overflow: number;
  /** Bytes of all deltas, before the codec. */
  readonly deltaBytes: number;
  /** How often storing was found not to pay. */
  readonly turnedOff: number;
}

export type TransferStatus =
  | 'completed'
  | 'failed'
  | 'cancelled'
  /** Everything arrived, but the stream has no end mark of ours to prove it. */
  | 'unverified';

/** A moment of a transfer that is going on. */
export interface Progress {
  /** Milliseconds since the start. */
  readonly elapsed: number;
  /** Bytes on the guest's side so far. */
  readonly guestBytes: number;
  /** Bytes on the link so far. */
  readonly linkBytes: number;
  /** Bytes on the guest's side in all; undefined when the input is no regular file. */
  readonly totalBytes: number | undefined;
  /** Bytes per second on the guest's side, on average since data began to flow. */
  readonly guestRate: number;
  /** Bytes per second on the link, likewise. */
  readonly linkRate: number;
  /** guestBytes / linkBytes; undefined before the first byte. */
  readonly ratio: number | undefined;
  /** Milliseconds that are still to be expected; undefined when the total is. */
  readonly remainingTime: number | undefined;
  /** Where the stream has pages with identities and somebody writes it meanwhile. */
  readonly convergence?: Convergence;
}

/** As RAMFERRY reports it; the names of MigrationInfo and MigrationStats wherever those have one. */
export interface TransferSummary {
  readonly status: TransferStatus;
  /** Milliseconds, from the call to the end. */
  readonly 'total-time': number;
  /** Milliseconds from the call until data could flow: opening, connecting, negotiating. */
  readonly 'setup-time': number;
  /** Milliseconds; only where the guest's stop and resumption were seen. */
  readonly downtime?: number;
  readonly ram: {
    /** Bytes on the link. */
    readonly transferred: number;
    /** Bytes of the guest's stream that have not been transferred; 0 unless it failed with a known total. */
    readonly remaining: number;
    /** Bytes of the guest's stream. */
    readonly total: number;
    /** Zero pages, as in QEMU. */
    readonly duplicate: number;
    /** Pages whose contents did not travel: equal to another page, or unchanged since they were sent before. */
    readonly skipped: number;
    /** Pages whose contents travelled, whole or as a difference. */
    readonly normal: number;
    /** normal × page-size: before compression, as in QEMU. */
    readonly 'normal-bytes': number;
    /** Megabits (10^6) per second on the link, on average, without the set-up. */
    readonly mbps: number;
    /** Pages of all kinds per second, likewise. */
    readonly 'pages-per-second': number;
    readonly 'page-size': number;
    /** Rounds of pre-copy, the last one included; where ramferry makes them or can tell them by the pages' identities. */
    readonly 'dirty-sync-count'?: number;
    /** Pages dirtied per second, in the last live round; where rounds were seen while they were made. */
    readonly 'dirty-pages-rate'?: number;
  };
  /** How pre-copy stood when its last round was sent, which the guest paused for. */
  readonly convergence?: Convergence;
  /** Only of a QEMU guest whose RAM ramferry reads by itself. */
  readonly 'shared-memory'?: SharedMemoryFigures;
  /** Only where ramferry itself compressed (or decompressed) chunks. */
  readonly compression?: {
    /** Pages that went through the codec. */
    readonly pages: number;
    /** Chunks for which no compression thread was free when they were ready. */
    readonly busy: number;
    /** busy / chunks. */
    readonly 'busy-rate': number;
    /** Bytes of the compressed chunks on the link. */
    readonly 'compressed-size': number;
    /** Bytes before / bytes after, of those chunks. */
    readonly 'compression-rate': number;
  };
  /** Only at a sender that had a page store; names and meanings as in QEMU's XBZRLECacheStats. */
  readonly 'xbzrle-cache'?: {
    /** Bytes of the store. */
    readonly 'cache-size': number;
    /** Bytes of all deltas, before the codec. */
    readonly bytes: number;
    /** Pages sent as deltas. */
    readonly pages: number;
    /** Pages sent again whose earlier contents were not in the store. */
    readonly 'cache-miss': number;
    /** cache-miss / pages sent again with which the store had to do. */
    readonly 'cache-miss-rate': number;
    /** Bytes of the pages that were sent as deltas / bytes of the deltas; 0 when there were none. */
    readonly 'encoding-rate': number;
    /** Pages that were there, and for which a delta did not pay. */
    readonly overflow: number;
    /** How often storing, or the search for equal pages, was found not to pay and stopped. Not in QEMU. */
    readonly 'turned-off': number;
  };
  /** Pages by representation. */
  readonly pages: Readonly<PageCounts>;
  readonly chunks: {
    readonly total: number;
    /** Not compressed, because that gained nothing or no thread was free. */
    readonly stored: number;
    /** By codec; only those that occurred. */
    readonly codecs: Readonly<Partial<Record<CodecName, CodecCounts>>>;
  };
  /** What the adaptive mode did, where it was at work. */
  readonly adaptive?: AdaptiveReport;
  /** Processor time of the whole process meanwhile, all threads, user and system, in seconds. */
  readonly 'cpu-seconds': number;
  /** Most memory that the process ever had resident, in bytes. */
  readonly 'peak-memory': number;
  /** Only when the status is failed or cancelled. */
  readonly error?: ErrorData;
}

/** A migration of a guest with shared memory (docs/SHARED-MEMORY.md). */
export interface SharedMemoryFigures {
  /** Rounds over RAM, the last one included. */
  readonly rounds: number;
  /** Bytes of the RAM files. */
  readonly 'ram-size': number;
  /** Bytes of pages that the guest wrote to per second, before it was stopped. */
  readonly 'dirty-rate'?: number;
  /** Milliseconds from the guest's stop to the destination's word that all RAM is in place. */
  readonly 'last-round'?: number;
  /** Milliseconds of the scan after QEMU has saved the devices; part of the downtime. */
  readonly 'final-scan'?: number;
  /** The same for 1 GiB. */
  readonly 'final-scan-per-gib'?: number;
  /** RAM was compared at the hand-over, and is the same. */
  readonly verified?: boolean;
}

export interface CodecCounts {
  readonly chunks: number;
  /** Bytes on the guest's side. */
  readonly decoded: number;
  /** Bytes on the link. */
  readonly encoded: number;
}

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
  peakMemory: () => process.resourceUsage().maxRSS * 1024,
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
        'normal-bytes': (pages.literal + pages.delta) * PAGE_SIZE,
        mbps: rounded((perSecond(this.linkBytes, seconds) * 8) / 1e6),
        'pages-per-second': Math.round(perSecond(all, seconds)),
        'page-size': PAGE_SIZE,
        ...present('dirty-sync-count', this.sharedMemory?.rounds ?? this.roundCount?.()),
        ...present('dirty-pages-rate', convergence?.['dirty-pages-rate']),
      },
      ...present('convergence', convergence),
      ...present('shared-memory', this.sharedMemory),
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
        'encoding-rate': deltaBytes === 0 ? 0 : rounded((delta * PAGE_SIZE) / deltaBytes),
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
