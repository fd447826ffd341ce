// What a transfer tells about itself, while it runs and at its end: the names and meanings of QEMU's query-migrate
// (qapi/migration.json) wherever those have one. Plain data, numbers only: no page bytes.

import type { ErrorData } from '../../errors.js';
import type { CodecName } from '../../codec/codec.js';
import type { StreamEnd } from '../../grammar/grammar.js';
import type { AdaptiveReport } from '../adaptive/chooser.js';
import type { Convergence } from './convergence.js';
import type { CodecCounts, PageCounts } from './counts.js';

/** How a transfer ended. */
export type TransferStatus =
  | 'completed'
  | 'failed'
  | 'cancelled'
  /** The final part of the stream may have reached the destination, and its result did not come back. */
  | 'unknown'
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
  /** Where the stream has pages with identities and a guest writes it meanwhile. */
  readonly convergence?: Convergence;
}

/** What send and receive resolve with: the names of MigrationInfo and MigrationStats wherever those have one. */
export interface TransferSummary {
  /** How the transfer ended. */
  readonly status: TransferStatus;
  /**
   * Of a sender, and of a receiver of an uncompressed QEMU stream: how its input ended. `seen`: where the stream's own format has its end. `incomplete`: it broke off
   * before that, which also ends the transfer. `unseen`: the end cannot be told from a place where it broke off.
   */
  readonly streamEnd?: StreamEnd['state'];
  /** Milliseconds, from the call to the end. */
  readonly totalTime: number;
  /** Milliseconds from the call until data could flow: opening, connecting, negotiating. */
  readonly setupTime: number;
  /** Milliseconds; only where the guest's stop and resumption were seen. */
  readonly downtime?: number;
  /** Bytes and pages, as in QEMU's MigrationStats. */
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
    readonly normalBytes: number;
    /** Megabits (10^6) per second on the link, on average, without the set-up. */
    readonly mbps: number;
    /** Pages of all kinds per second, likewise. */
    readonly pagesPerSecond: number;
    /** Bytes. */
    readonly pageSize: number;
    /** Rounds of pre-copy, the last one included; where ramferry makes them or can tell them by the pages' identities. */
    readonly dirtySyncCount?: number;
    /** Pages dirtied per second, in the last live round; where rounds were seen while they were made. */
    readonly dirtyPagesRate?: number;
  };
  /** How pre-copy stood when its last round was sent, which the guest paused for. */
  readonly convergence?: Convergence;
  /** Only at a sender, and only where the stream could not be followed to its end: why its rest was sent as any bytes are. */
  readonly opaqueBecause?: string;
  /** Only of a QEMU guest whose RAM ramferry reads by itself. */
  readonly sharedMemory?: SharedMemoryFigures;
  /** Only where ramferry itself compressed (or decompressed) chunks. */
  readonly compression?: {
    /** Pages that went through the codec. */
    readonly pages: number;
    /** Chunks for which no compression thread was free when they were ready. */
    readonly busy: number;
    /** busy / chunks. */
    readonly busyRate: number;
    /** Bytes of the compressed chunks on the link. */
    readonly compressedSize: number;
    /** Bytes before / bytes after, of those chunks. */
    readonly compressionRate: number;
  };
  /** Only at a sender that had a page store; names and meanings as in QEMU's XBZRLECacheStats. */
  readonly xbzrleCache?: {
    /** Bytes of the store. */
    readonly cacheSize: number;
    /** Bytes of all deltas, before the codec. */
    readonly bytes: number;
    /** Pages sent as deltas. */
    readonly pages: number;
    /** Pages sent again whose earlier contents were not in the store. */
    readonly cacheMiss: number;
    /** cache-miss / pages sent again with which the store had to do. */
    readonly cacheMissRate: number;
    /** Bytes of the pages that were sent as deltas / bytes of the deltas; 0 when there were none. */
    readonly encodingRate: number;
    /** Pages that were there, and for which a delta did not pay. */
    readonly overflow: number;
    /** How often storing, or the search for equal pages, was found not to pay and stopped. Not in QEMU. */
    readonly turnedOff: number;
  };
  /** Pages by representation. */
  readonly pages: Readonly<PageCounts>;
  /** Chunks, the units of compression. */
  readonly chunks: {
    /** All of them. */
    readonly total: number;
    /** Not compressed, because that gained nothing or no thread was free. */
    readonly stored: number;
    /** By codec; only those that occurred. */
    readonly codecs: Readonly<Partial<Record<CodecName, CodecCounts>>>;
  };
  /** What the adaptive mode did, where it was at work. */
  readonly adaptive?: AdaptiveReport;
  /** Processor time of the whole process meanwhile, all threads, user and system, in seconds. */
  readonly cpuSeconds: number;
  /** Most memory that the process ever had resident, in bytes. */
  readonly peakMemory: number;
  /** Only when the status is failed or cancelled. */
  readonly error?: ErrorData;
}

/** A migration of a guest with shared memory (docs/SHARED-MEMORY.md). */
export interface SharedMemoryFigures {
  /** Rounds over RAM, the last one included. */
  readonly rounds: number;
  /** Bytes of the RAM files. */
  readonly ramSize: number;
  /** Bytes of pages that the guest wrote to per second, before it was stopped. */
  readonly dirtyRate?: number;
  /** Milliseconds from the guest's stop to the destination's word that all RAM is in place. */
  readonly lastRound?: number;
  /** Milliseconds of the scan after QEMU has saved the devices; part of the downtime. */
  readonly finalScan?: number;
  /** The same for 1 GiB. */
  readonly finalScanPerGib?: number;
  /** RAM was compared at the hand-over, and is the same. */
  readonly verified?: boolean;
}
