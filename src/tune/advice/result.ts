// What `tune` found, as plain data for text, JSON and the report. The field names are a stable interface for scripts.
// Times in seconds, sizes in bytes, rates in bytes per second.

import type { CodecName } from '../../codec/codec.js';
import type { HostLoad } from '../../os/host-load.js';
import type { LivePrediction } from '../model/live.js';
import type { StretchCost, Route, Stage } from '../model/model.js';
import type { Confidence, Settings } from './recommend.js';
import type { Verification } from './verification.js';

/** One way to send, and its expected cost. */
export interface Alternative {
  readonly settings: Settings;
  /** Expected seconds of the whole command. */
  readonly seconds: number;
  readonly wireBytes: number;
  readonly ratio: number;
  /** Guest bytes per second while data flows. */
  readonly guestRate: number;
  /** Seconds of processor time for a GiB of guest memory. */
  readonly senderCpuPerGiB: number;
  readonly receiverCpuPerGiB: number;
  readonly bottleneck: Stage;
  /** Rests on more threads than this host could measure. */
  readonly extrapolated: boolean;
  /** Share of the sample that was measured; the rest was estimated from zstd 1. */
  readonly measured: number;
  readonly live?: LivePrediction;
}

/** A coding's figures in one thread. */
export interface CodingFigures {
  readonly codec: CodecName;
  readonly level: number;
  readonly chunkSize: number;
  readonly ratio: number;
  /** Guest bytes per second of processor time of one thread. */
  readonly compressRate: number;
  readonly decompressRate: number;
  readonly measured: number;
}

/** Shares of the guest's pages; they add up to 1. */
export interface MemoryMakeUp {
  readonly zero: number;
  readonly duplicate: number;
  /** Other pages by how far zstd 1 shrinks each of them alone, and bytes that are no page. */
  readonly classes: readonly { readonly label: string; readonly share: number }[];
}

export interface Probed {
  /** Bytes of payload per second. */
  readonly linkRate: number;
  /** Seconds. */
  readonly roundTrip: number;
  readonly cpus: number;
  /** How many times as long decompression takes there as here. */
  readonly slowness: number;
}

export interface TuneResult {
  readonly input: { readonly name: string; readonly kind: string; readonly bytes: number };
  readonly sample: {
    readonly regions: number;
    readonly bytes: number;
    readonly whole: boolean;
    readonly seed: number;
  };
  /** Bytes per second on the cable as given, headers and all; absent when it was not given. */
  readonly bandwidth?: number;
  /** What a probe found: link and destination were measured. Absent without a probe. */
  readonly probe?: Probed;
  readonly route: Route;
  /** Why nothing is recommended, in plain words. Then `recommended` is only the fastest setting. */
  readonly withheld?: readonly string[];
  readonly recommended: Alternative;
  /** Ready to paste. */
  readonly flags: { readonly send: string; readonly receive: string };
  readonly alternatives: readonly Alternative[];
  readonly uncompressed: Alternative;
  /** For each codec the cable's bandwidth above which it is slower than no compression; null = never. */
  readonly paysUpTo: Readonly<Partial<Record<CodecName, number | null>>>;
  readonly confidence: Confidence;
  readonly memory: MemoryMakeUp;
  readonly codings: readonly CodingFigures[];
  /** What was measured of every coding, for further predictions. */
  readonly loads: readonly { readonly coding: number; readonly loads: readonly StretchCost[] }[];
  readonly dirtyRate?: number;
  readonly downtimeLimit?: number;
  /** Transfers that were run for real; absent without `verify`. */
  readonly verified?: Verification;
  /** Milliseconds that measuring took, without verifying. */
  readonly took: number;
  readonly host: {
    readonly cpus: number;
    readonly model: string;
    readonly node: string;
    readonly load: HostLoad;
  };
}
