// What `bench` found, as plain data. The field names are a stable interface for scripts. Rates in guest bytes per second.

import type { HostLoad } from '../../os/processor/host-load.js';
import type { StretchCost } from '../model/model.js';
import type { PeerFigures } from './peers.js';
import type { MemoryMakeUp } from '../advice/result.js';
import type { Coding } from '../measure/codec-rig.js';

/** The fastest of some repetitions, and how much slower the slowest was, as a share. */
export interface Speed {
  /** Guest bytes per second of the fastest. */
  readonly best: number;
  /** How much slower the slowest was, as a share. */
  readonly spread: number;
}

/** Figures of one coding with a number of threads. */
export interface BenchRow extends Coding {
  /** Threads. */
  readonly threads: number;
  /** Guest bytes / encoded bytes. */
  readonly ratio: number;
  /** By wall time, all threads together. */
  readonly compress: Speed;
  /** The same of decompression. */
  readonly decompress: Speed;
  /** Seconds of processor time for a GiB. */
  readonly compressCpuPerGiB: number;
  /** The same of decompression. */
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
  readonly rows: readonly {
    /** Without the page store. */
    readonly plain: BenchRow;
    /** With it. */
    readonly delta: BenchRow;
  }[];
}

/** What bench found. */
export interface BenchResult {
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
    /** Seed by which they were chosen. */
    readonly seed: number;
  };
  /** Repetitions of each measurement. */
  readonly repetitions: number;
  /** One for each coding and number of threads. */
  readonly rows: readonly BenchRow[];
  /** Absent where no older image was given, or nothing has changed since. */
  readonly delta?: DeltaFigures;
  /** Other programs on the same memory. */
  readonly peers: readonly PeerFigures[];
  /** What the guest's memory is made of. */
  readonly memory: MemoryMakeUp;
  /** Of the rows with one thread: what each stretch of memory took. */
  readonly loads: readonly {
    /** Coding of the row. */
    readonly coding: Coding;
    /** What each stretch took. */
    readonly loads: readonly StretchCost[];
  }[];
  /** Largest resident size of the process, in bytes. */
  readonly peakMemory: number;
  /** Milliseconds. */
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
