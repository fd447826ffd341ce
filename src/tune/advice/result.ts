// What `tune` found, as plain data for text, JSON and the report. The field names are a stable interface for scripts.
// Times in seconds, sizes in bytes, rates in bytes per second.

import type { CodecName } from '../../codec/codec.js';
import type { HostLoad } from '../../os/processor/host-load.js';
import type { LivePrediction } from '../model/live.js';
import type { StretchCost, Route, Stage } from '../model/model.js';
import type { Confidence, Settings } from './recommend.js';
import type { Verification } from './verification.js';

/** One way to send, and its expected cost. */
export interface Alternative {
  /** Coding and threads. */
  readonly settings: Settings;
  /** Expected seconds of the whole command. */
  readonly seconds: number;
  /** Bytes on the link. */
  readonly wireBytes: number;
  /** Guest bytes / bytes on the link. */
  readonly ratio: number;
  /** Guest bytes per second while data flows. */
  readonly guestRate: number;
  /** Seconds of processor time for a GiB of guest memory. */
  readonly senderCpuPerGiB: number;
  /** The same at the receiver. */
  readonly receiverCpuPerGiB: number;
  /** What limits. */
  readonly bottleneck: Stage;
  /** Rests on more threads than this host could measure. */
  readonly extrapolated: boolean;
  /** Share of the sample that was measured; the rest was estimated from zstd 1. */
  readonly measured: number;
  /** What pre-copy of a running guest comes to; only where its dirty rate was given. */
  readonly live?: LivePrediction;
}

/** A coding's figures in one thread. */
export interface CodingFigures {
  /** Codec. */
  readonly codec: CodecName;
  /** Level. */
  readonly level: number;
  /** Bytes of guest memory in a chunk. */
  readonly chunkSize: number;
  /** Guest bytes / bytes on the link. */
  readonly ratio: number;
  /** Guest bytes per second of processor time of one thread. */
  readonly compressRate: number;
  /** The same of decompression. */
  readonly decompressRate: number;
  /** Share of the sample that was measured. */
  readonly measured: number;
}

/** Shares of the guest's pages; they add up to 1. */
export interface MemoryMakeUp {
  /** Zero pages. */
  readonly zero: number;
  /** Pages that are equal to an earlier one. */
  readonly duplicate: number;
  /** Other pages by how far zstd 1 shrinks each of them alone, and what is no page. */
  readonly classes: readonly {
    /** For people. */
    readonly label: string;
    /** Share of all pages. */
    readonly share: number;
  }[];
}

/** What a probe found out about the link and the other host. */
export interface Probed {
  /** Bytes of payload per second. */
  readonly linkRate: number;
  /** Seconds. */
  readonly roundTrip: number;
  /** CPUs of the other host. */
  readonly cpus: number;
  /** How many times as long decompression takes there as here. */
  readonly slowness: number;
}

/** What tune found. Seconds, bytes, and bytes per second where nothing else is said. */
export interface TuneResult {
  /** What was measured. */
  readonly input: {
    /** Name of the input. */
    readonly name: string;
    /** Kind of stream. */
    readonly kind: string;
    /** Bytes of it. */
    readonly bytes: number;
  };
  /** Which part of it. */
  readonly sample: {
    /** Number of regions. */
    readonly regions: number;
    /** Bytes of all regions. */
    readonly bytes: number;
    /** The regions are the whole input. */
    readonly whole: boolean;
    /** Seed by which they were chosen. */
    readonly seed: number;
  };
  /** Bytes per second on the cable as given, headers and all; absent when it was not given. */
  readonly bandwidth?: number;
  /** What a probe found: link and destination were measured. Absent without a probe. */
  readonly probe?: Probed;
  /** Both hosts and the link, as the model has them. */
  readonly route: Route;
  /** Why nothing is recommended, in plain words. Then `recommended` is only the fastest setting. */
  readonly withheld?: readonly string[];
  /** The settings to use. */
  readonly recommended: Alternative;
  /** Ready to paste. */
  readonly flags: {
    /** For `ramferry send`. */
    readonly send: string;
    /** For `ramferry receive`. */
    readonly receive: string;
  };
  /** Other settings, fastest first. */
  readonly alternatives: readonly Alternative[];
  /** No compression. */
  readonly uncompressed: Alternative;
  /** For each codec the cable's bandwidth above which it is slower than no compression; null = never. */
  readonly paysUpTo: Readonly<Partial<Record<CodecName, number | null>>>;
  /** How far the prediction can be trusted. */
  readonly confidence: Confidence;
  /** What the guest's memory is made of. */
  readonly memory: MemoryMakeUp;
  /** Figures of each coding. */
  readonly codings: readonly CodingFigures[];
  /** What was measured of every coding, for further calculations. */
  readonly loads: readonly {
    /** Index into `codings`. */
    readonly coding: number;
    /** What each stretch took. */
    readonly loads: readonly StretchCost[];
  }[];
  /** Bytes per second, as given. */
  readonly dirtyRate?: number;
  /** Milliseconds, as given. */
  readonly downtimeLimit?: number;
  /** Transfers that were run for real; absent without `verify`. */
  readonly verified?: Verification;
  /** Milliseconds that measuring took, without verifying. */
  readonly took: number;
  /** Where it was measured. */
  readonly host: {
    /** CPUs that the process may use. */
    readonly cpus: number;
    /** Name of the processor. */
    readonly model: string;
    /** Version of Node.js. */
    readonly node: string;
    /** How busy the host was with other programs. */
    readonly load: HostLoad;
  };
}
