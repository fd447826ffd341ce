// `TransferPlan`: what a transfer will do, complete before it runs. `layOutPlan` makes one from its pieces.
// A plan is plain data without functions. Code that runs a plan reads no options.

import type { CodecName } from '../../codec/codec.js';
import type { HostThreadsKey } from '../../os/processor/host-threads.js';
import type { SlotGeometry } from '../../slot/layout.js';
import type { StreamKind } from '../../grammar/detect.js';
import type { GrammarName } from '../../grammar/grammar.js';
import type { Beginning } from '../../io/bytes.js';
import { MIB } from '../../units.js';
import type { ChooserOptions } from '../adaptive/chooser.js';
import { type ContainerPlan, recordRoom } from './container.js';
import {
  type MemoryNeeds,
  type MemoryShares,
  senderGeometry,
  senderShares,
  usefulSlotsFromFile,
} from './memory.js';

/** The input, and the grammar that walks it. */
export interface StreamPlan {
  /** What the input was recognised as; `memory` = a stream that ramferry generates. */
  readonly kind: StreamKind | 'memory';
  /** The grammar that walks it. */
  readonly grammar: GrammarName;
  /** The workers read extents of a regular file themselves, and no grammar is needed. */
  readonly byExtents: boolean;
  /** Pages have identities and may be sent again. */
  readonly identities: boolean;
  /** The input is read to its end, also behind the END of a bare libxc stream. */
  readonly followsEnd: boolean;
  /** Length in bytes of a regular file; undefined for other inputs. */
  readonly length: number | undefined;
  /** What the receiver has from an earlier transfer: only what follows is sent. Absent = nothing. */
  readonly before?: Beginning | undefined;
  /** Why the input is sent as bytes of unknown structure although its first bytes are known. */
  readonly opaqueBecause?: string | undefined;
}

/** How chunks are coded. With adaptivity these are the initial values. */
export interface Coding {
  readonly codec: CodecName;
  readonly level: number;
  readonly chunkSize: number;
  readonly threads: number;
  /** Bytes that the codec takes in one thread. */
  readonly codecBytes: number;
}

/** The workers' settings besides the coding. */
export interface WorkPlan {
  /** The zstd binding; empty = the best one that works. */
  readonly zstdBinding: string;
  /** zstd looks for matches over the whole chunk (long-distance matching). */
  readonly longDistance: boolean;
  /** Every chunk is decoded again before it leaves, and compared. */
  readonly selfCheck: boolean;
  /** False = a chunk that finds no free worker leaves uncompressed. */
  readonly waitThread: boolean;
  /** The main thread encodes chunks until threads pay; false = threads encode all of them. */
  readonly inline: boolean;
  /** Niceness of the threads; absent = that of the process. */
  readonly nice?: number | undefined;
  /** The limit of compression threads that several processes of this host share; absent = no limit. */
  readonly hostThreads?: HostThreadsKey | undefined;
}

export interface PacePlan {
  /** Milliseconds after which a partly filled chunk is sent. */
  readonly flushAfter: number;
  /** Bytes per second that may leave; 0 = no limit. */
  readonly maxBandwidth: number;
  /** Processor time that the process may take, in CPUs; absent = no limit. */
  readonly maxCpu?: number | undefined;
  /** Decoded bytes that may be in flight before the first acknowledgement; absent = only the link's back-pressure limits. */
  readonly deliveryWindow?: number | undefined;
  /**
   * The hypervisor's downtime-limit in milliseconds, for which bytes are taken no faster near the end of a round than the transfer
   * carries them. Absent = they are taken as fast as possible: the hypervisor does not stop its guest by a bandwidth estimate.
   */
  readonly switchover?: number | undefined;
}

export interface MemoryPlan {
  /** Bytes that the transfer may take. */
  readonly limit: number;
  /** Bytes of the page store's pages; 0 = none. */
  readonly storeBytes: number;
  readonly slots: SlotGeometry;
  /** Upper bounds of what each part of the transfer takes. */
  readonly shares: MemoryShares;
}

/** How the rounds of pre-copy are watched. */
export interface RoundsPlan {
  /** Milliseconds for which the guest may be paused. */
  readonly downtimeLimit: number;
  /** A running guest writes the stream, so the time of a round shows the dirty rate. */
  readonly live: boolean;
}

export interface TransferPlan {
  readonly stream: StreamPlan;
  readonly coding: Coding;
  readonly work: WorkPlan;
  /** Bounds of adaptive mode; absent = codec and level stay fixed. */
  readonly adaptivity?: ChooserOptions | undefined;
  readonly container: ContainerPlan;
  readonly memory: MemoryPlan;
  readonly pace: PacePlan;
  /** Absent for a generated stream, whose generator counts its own rounds. */
  readonly rounds?: RoundsPlan | undefined;
  /** Warnings for the user. */
  readonly warnings: readonly string[];
}

/** The pieces of a plan. An absent piece has the value of a transfer without options. */
export interface PlanPieces {
  readonly stream: Pick<StreamPlan, 'kind' | 'grammar'> & Partial<StreamPlan>;
  readonly coding: Coding;
  readonly container: ContainerPlan;
  /** Bytes of the page store's pages; 0 by default. */
  readonly storeBytes?: number;
  /** Bytes; no limit by default. */
  readonly memoryLimit?: number;
  readonly work?: Partial<WorkPlan>;
  readonly pace?: Partial<PacePlan>;
  readonly adaptivity?: ChooserOptions | undefined;
  readonly rounds?: RoundsPlan | undefined;
  readonly warnings?: readonly string[];
}

const PLAIN_WORK: Omit<WorkPlan, 'inline'> = {
  zstdBinding: '',
  longDistance: false,
  selfCheck: false,
  waitThread: true,
};
const PLAIN_PACE: PacePlan = { flushAfter: 50, maxBandwidth: 0 };

/** A regular file of so many bytes pays for threads at once. */
export const LARGE_FILE_BYTES = 64 * MIB;

/**
 * Whether the main thread encodes the first chunks. Not with a niceness, which is the threads' own; not where a chunk leaves
 * uncompressed when no thread is free; not for a large file.
 */
function worksInline({ length }: StreamPlan, { nice, waitThread }: Omit<WorkPlan, 'inline'>): boolean {
  return nice === undefined && waitThread && (length ?? 0) < LARGE_FILE_BYTES;
}

/** The memory needs of a sender, without its page store. */
export function senderNeeds(
  coding: Coding,
  byExtents: boolean,
  limit: number,
): Omit<MemoryNeeds, 'storeBytes'> {
  const { threads, chunkSize, codecBytes } = coding;
  return {
    limit,
    threads,
    chunkSize,
    codecBytes,
    extraSlots: 1,
    ...(byExtents ? { usefulSlots: usefulSlotsFromFile(threads, chunkSize) } : {}),
  };
}

/**
 * Lays out the slots and completes the plan.
 * @throws ERR_MEMORY_LIMIT
 */
export function layOutPlan(pieces: PlanPieces): TransferPlan {
  const { coding, container, storeBytes = 0, memoryLimit: limit = Number.MAX_SAFE_INTEGER } = pieces;
  const stream: StreamPlan = {
    byExtents: false,
    identities: false,
    followsEnd: false,
    length: undefined,
    ...pieces.stream,
  };
  const needs = { ...senderNeeds(coding, stream.byExtents, limit), storeBytes };
  const slots = senderGeometry(needs, recordRoom(container, coding.chunkSize));
  const work = { ...PLAIN_WORK, ...pieces.work };
  return {
    stream,
    coding,
    work: { inline: worksInline(stream, work), ...work },
    adaptivity: pieces.adaptivity,
    container,
    memory: { limit, storeBytes, slots, shares: senderShares(needs, slots) },
    pace: { ...PLAIN_PACE, ...pieces.pace },
    rounds: pieces.rounds,
    warnings: pieces.warnings ?? [],
  };
}
