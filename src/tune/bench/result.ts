// What `bench` found, as plain data. The field names are a stable interface for scripts. Rates in guest bytes per second.

import type { HostLoad } from '../../os/host-load.js';
import type { StretchCost } from '../model/model.js';
import type { PeerFigures } from './peers.js';
import type { MemoryMakeUp } from '../advice/result.js';
import type { Coding } from '../measure/codec-rig.js';

/** The fastest of some repetitions, and how much slower the slowest was, as a share. */
export interface Speed {
  readonly best: number;
  readonly spread: number;
}

export interface BenchRow extends Coding {
  readonly threads: number;
  readonly ratio: number;
  /** By wall time, all threads together. */
  readonly compress: Speed;
  readonly decompress: Speed;
  /** Seconds of processor time for a GiB. */
  readonly compressCpuPerGiB: number;
  readonly decompressCpuPerGiB: number;
}

/** Cost of pages that are sent again, measured against an older image of the guest. */
export interface DeltaFigures {
  /** The older image. */
  readonly before: string;
  /** Share of the compared pages that differ. */
  readonly changed: number;
  /** Bytes of changed pages that were measured. */
  readonly bytes: number;
  /** Each coding as it is, and with deltas against the page store; one thread. */
  readonly rows: readonly { readonly plain: BenchRow; readonly delta: BenchRow }[];
}

export interface BenchResult {
  readonly input: { readonly name: string; readonly kind: string; readonly bytes: number };
  readonly sample: { readonly regions: number; readonly bytes: number; readonly seed: number };
  readonly repetitions: number;
  readonly rows: readonly BenchRow[];
  /** Absent where no older image was given, or nothing has changed since. */
  readonly delta?: DeltaFigures;
  readonly peers: readonly PeerFigures[];
  readonly memory: MemoryMakeUp;
  /** Of the rows with one thread: what each stretch of memory took. */
  readonly loads: readonly { readonly coding: Coding; readonly loads: readonly StretchCost[] }[];
  /** Largest resident size of the process, in bytes. */
  readonly peakMemory: number;
  /** Milliseconds. */
  readonly took: number;
  readonly host: {
    readonly cpus: number;
    readonly model: string;
    readonly node: string;
    readonly load: HostLoad;
  };
}
