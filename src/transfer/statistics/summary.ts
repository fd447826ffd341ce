// The reports of a transfer: progress while it runs, and the summary at its end. Names and meanings are those of QEMU's query-migrate
// (qapi/migration.json) where it has them. Plain data, no page contents.

import type { ErrorData, FailureStatus } from '../../errors.js';
import type { CodecName } from '../../codec/codec.js';
import type { StreamEnd } from '../../grammar/grammar.js';
import type { AdaptiveReport } from '../adaptive/chooser.js';
import type { LinkBreaks } from '../../link/resume/breaks.js';
import type { Convergence } from './convergence.js';
import type { CodecCounts, PageCounts, PageTally } from './counts.js';

/** How a transfer ended. */
export type TransferStatus =
  | 'completed'
  /** `unknown`: the final part of the stream may have reached the destination, but the receiver's result did not arrive. */
  | FailureStatus
  /** All bytes arrived, but the stream has no end mark of ramferry to prove it. */
  | 'unverified';

/** The state of a running transfer. */
export interface Progress {
  /** Milliseconds since the start. */
  readonly elapsed: number;
  /** Bytes on the guest's side so far. */
  readonly guestBytes: number;
  /** Bytes on the link so far. */
  readonly linkBytes: number;
  /** Bytes on the guest's side that the receiver has acknowledged as delivered. Only at a sender whose receiver answers. */
  readonly deliveredBytes?: number;
  /** Length of the guest's stream in bytes; undefined when the input is not a regular file. */
  readonly totalBytes: number | undefined;
  /** Average bytes per second on the guest's side since data began to flow. */
  readonly guestRate: number;
  /** Average bytes per second on the link since data began to flow. */
  readonly linkRate: number;
  /** guestBytes / linkBytes; undefined before the first byte. */
  readonly ratio: number | undefined;
  /** Expected milliseconds to the end; undefined when totalBytes is undefined or no byte has passed. */
  readonly remainingTime: number | undefined;
  /** Rounds of pre-copy that have begun. Only where ramferry makes the rounds or counts them by the pages' identities. */
  readonly dirtySyncCount?: number;
  /** How often the link broke and came back. Only with `--reconnect`. */
  readonly linkBreaks?: LinkBreaks;
  /** Present where the stream has pages with identities and a running guest writes it. */
  readonly convergence?: Convergence;
  /** What adaptive mode has done so far. Present where it runs. */
  readonly adaptive?: AdaptiveReport;
}

/** The result of send and receive, with the names of QEMU's MigrationInfo and MigrationStats where they have one. */
export interface TransferSummary {
  /** How the transfer ended. */
  readonly status: TransferStatus;
  /**
   * How the input ended. Present at a sender, and at a receiver of an uncompressed QEMU stream. `seen`: at the end that the stream's
   * format defines. `incomplete`: before that end; the transfer fails. `unseen`: the format does not show whether the end is the real
   * one.
   */
  readonly streamEnd?: StreamEnd['state'];
  /** Milliseconds from the call to the end. */
  readonly totalTime: number;
  /** Milliseconds from the call until data could flow: opening, connecting, negotiating. */
  readonly setupTime: number;
  /** Milliseconds; only where the guest's stop and resumption were observed. */
  readonly downtime?: number;
  /** Bytes and pages, as in QEMU's MigrationStats. */
  readonly ram: {
    /** Bytes on the link. */
    readonly transferred: number;
    /** Bytes of the guest's stream that were not transferred; 0 unless a transfer of known length failed. */
    readonly remaining: number;
    /** Bytes of the guest's stream. */
    readonly total: number;
    /** Zero pages, as in QEMU. */
    readonly duplicate: number;
    /** Pages whose contents were not sent: equal to another page, or unchanged since they were sent before. */
    readonly skipped: number;
    /** Pages whose contents were sent, whole or as a difference. */
    readonly normal: number;
    /** normal × page-size: before compression, as in QEMU. */
    readonly normalBytes: number;
    /** Average megabits (10^6) per second on the link, without the set-up time. */
    readonly mbps: number;
    /** Average pages of all kinds per second, without the set-up time. */
    readonly pagesPerSecond: number;
    /** Bytes. */
    readonly pageSize: number;
    /** Rounds of pre-copy, the last one included. Only where ramferry makes the rounds or counts them by the pages' identities. */
    readonly dirtySyncCount?: number;
    /** Pages dirtied per second in the last live round. Only where a running guest wrote the stream. */
    readonly dirtyPagesRate?: number;
  };
  /** Bytes of the guest's stream that an earlier transfer has brought. No other figure has them. Only with `receive --resume`. */
  readonly resumedFrom?: number;
  /** How often the link broke and came back; `away` in milliseconds. Only with `--reconnect`. */
  readonly linkBreaks?: LinkBreaks;
  /** The final judgement of pre-copy, at its last round, for which the guest was paused. */
  readonly convergence?: Convergence;
  /** Milliseconds for which the sender took bytes more slowly than it could, near the end of rounds. Only before QEMU. */
  readonly heldBack?: number;
  /** Why the stream, or a part of it, was sent as bytes of unknown structure. Only at a sender, and only where that happened. */
  readonly opaqueBecause?: string;
  /** The setting of the hypervisor with which more pages would be recognised. Only at a sender. */
  readonly opaqueHint?: string;
  /** Only for a QEMU guest whose RAM ramferry reads itself. */
  readonly sharedMemory?: SharedMemoryFigures;
  /** Only where ramferry itself compressed (or decompressed) chunks. */
  readonly compression?: {
    /** Pages that went through the codec. */
    readonly pages: number;
    /** Chunks that found no free compression thread. */
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
    /** cache-miss / pages sent again that were looked up in the store. */
    readonly cacheMissRate: number;
    /** Bytes of the pages that were sent as deltas / bytes of the deltas; 0 without deltas. */
    readonly encodingRate: number;
    /** Pages that were in the store, but for which a delta gained nothing. */
    readonly overflow: number;
    /** How many times storing, or the search for equal pages, gained nothing and was stopped. Not in QEMU. */
    readonly turnedOff: number;
  };
  /** Pages by representation; at a sender also by what is known of them. */
  readonly pages: Readonly<PageCounts> & Readonly<Partial<PageTally>>;
  /** Chunks, the units of compression. */
  readonly chunks: {
    /** All chunks. */
    readonly total: number;
    /** Chunks sent uncompressed, because compression gained nothing or no thread was free. */
    readonly stored: number;
    /** Counts by codec; only codecs that occurred. */
    readonly codecs: Readonly<Partial<Record<CodecName, CodecCounts>>>;
  };
  /** The report of adaptive mode; present where it ran. With several connections: of the one that carried most. */
  readonly adaptive?: AdaptiveReport;
  /** Only with several connections of the hypervisor: each, in the order in which it opened them. All other figures are sums. */
  readonly channels?: readonly ChannelSummary[];
  /** Processor time of the whole process during the transfer: all threads, user and system, in seconds. */
  readonly cpuSeconds: number;
  /** Peak resident memory of the process, in bytes. */
  readonly peakMemory: number;
  /** Only when the status is failed or cancelled. */
  readonly error?: ErrorData;
}

/** One of several connections of a hypervisor; the names are those of the summary. */
export interface ChannelSummary {
  /** How its input ended. */
  readonly streamEnd?: StreamEnd['state'];
  /** Bytes on the link. */
  readonly transferred: number;
  /** Bytes of the hypervisor. */
  readonly total: number;
  /** Pages whose contents were sent. */
  readonly normal: number;
  /** Zero pages. */
  readonly duplicate: number;
  /** Pages with a place in the guest's memory. */
  readonly identified?: number;
  /** Pages without one. */
  readonly anonymous?: number;
}

/** A migration of a guest with shared memory (docs/SHARED-MEMORY.md). */
export interface SharedMemoryFigures {
  /** Rounds over RAM, the last one included. */
  readonly rounds: number;
  /** Bytes of the RAM files. */
  readonly ramSize: number;
  /** Bytes of pages that the guest wrote to per second, before it was stopped. */
  readonly dirtyRate?: number;
  /** Milliseconds from the guest's stop to the destination's message that all RAM is in place. */
  readonly lastRound?: number;
  /** Milliseconds of the scan after QEMU has saved the devices; part of the downtime. */
  readonly finalScan?: number;
  /** Milliseconds of that scan per GiB of RAM. */
  readonly finalScanPerGib?: number;
  /** RAM was compared at the handover, and is equal. */
  readonly verified?: boolean;
}
