// The options of tune and bench.

import { CODEC_NAMES, type CodecName } from '../../codec/codec.js';
import { allowedCpus } from '../../os/processor/cpus.js';
import { DOWNTIME_LIMIT_MS } from '../../model/precopy.js';
import { PAGE_BYTES } from '../../page/size.js';
import { MIB } from '../../units.js';
import { type Duration, type Rate, type Size, type Writer, WRITERS } from '../amounts.js';
import { choice, count, duration, file, flag, list, rate, size, text } from '../kinds.js';
import { LIMITS, RATE } from '../limits.js';
import type { Rows } from '../row.js';

/** The shortest time for a usable measurement, and the longest, in milliseconds. */
export const BUDGET_MS = { min: 3000, max: 3_600_000 };
/** Repetitions of bench after the warm-up, in full and with `quick`. */
export const REPETITIONS = { full: 5, quick: 2 };

/** Reports of tune and bench to their caller. */
export interface MeasuringHooks {
  /** Ends the measurement. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the name of the current measurement, and the finished share of the work (0 to 1). Default: none. */
  readonly onProgress?: ((step: string, share: number) => void) | undefined;
}

/** Options that both tune and bench accept. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface MeasuringOptions extends MeasuringHooks {
  /** The guest's memory: a RAM image or a migration stream, from an address that can be read. Required, not empty. */
  readonly input: string;
  /** Seed of the sample: the same seed selects the same regions of the image. 0 to 2^32 - 1. Default 1. */
  readonly seed?: number | undefined;
  /** Use this zstd binding. One that does not work here fails with ERR_CODEC_UNAVAILABLE. Default: the best one that works. */
  readonly zstdBinding?: string | undefined;
}

/** The options of tune: the input, and the link as `bandwidth` or `probe`. */
export interface TuneOptions extends MeasuringOptions {
  /**
   * Bytes per second that the link carries, headers included; 0: only the hosts limit the transfer. Excludes `probe`. Default: 0,
   * or the measurement of the probe.
   */
  readonly bandwidth?: Rate | undefined;
  /**
   * Address of a `ramferry receive --probe`: the link and the other host are measured instead of assumed. Excludes `bandwidth`.
   * Default: none.
   */
  readonly probe?: string | undefined;
  /** Milliseconds for measuring, 3 s to 1 h. More time measures more codings. Default 20 s. */
  readonly budget?: Duration | undefined;
  /** CPUs for ramferry at the source, 1 to 255. Default: the CPUs that this process may use. */
  readonly compressCpus?: number | undefined;
  /** CPUs for ramferry at the destination, 1 to 255. Default: what the probe says, or as many as here. */
  readonly decompressCpus?: number | undefined;
  /** Bytes of pages that the running guest dirties per second. Default 0: the guest is paused. */
  readonly dirtyRate?: Rate | undefined;
  /** Milliseconds for which the guest may be paused, 1 ms to 1 h. Default 300, as in QEMU. */
  readonly downtimeLimit?: Duration | undefined;
  /** What takes the restored bytes at the destination: `socket` (a hypervisor), `file` or `discard`. Default `socket`. */
  readonly writer?: Writer | undefined;
  /** Also run the recommendation and its neighbours on this host, over a limited loopback link. Default false. */
  readonly verify?: boolean | undefined;
}

/** The options of bench. Only the input is required. */
export interface BenchOptions extends MeasuringOptions {
  /** Codecs to measure, one or more. Default: all that work here. */
  readonly codecs?: readonly CodecName[] | undefined;
  /** Levels of the codecs that have levels, one or more. Default: a few of each codec. */
  readonly levels?: readonly number[] | undefined;
  /** Bytes in a chunk, 64 KiB to 4 MiB each, one or more. Default 1 MiB, and for zstd 1 from 64 KiB to 4 MiB. */
  readonly chunkSizes?: readonly Size[] | undefined;
  /** Numbers of threads, 1 to 255 each, one or more. Default: 1, and as many as the process may use CPUs. */
  readonly threads?: readonly number[] | undefined;
  /** An older image of the same guest: pages that have changed since are also measured as differences. Default: none. */
  readonly before?: string | undefined;
  /** Repetitions after the warm-up, 1 to 1000. Default 5; with `quick` 2. */
  readonly repetitions?: number | undefined;
  /** Fewer regions and repetitions: less than 30 s. Default false. */
  readonly quick?: boolean | undefined;
  /** Also measure other programs where they are installed. Default true. */
  readonly peers?: boolean | undefined;
}

/** Options that both tune and bench accept. */
export const MEASURING_ROWS = {
  input: {
    kind: file(),
    help: 'RAM image or migration stream',
    commands: ['bench', 'tune'],
    required: true,
    positional: 'required',
  },
  seed: {
    kind: count({ min: 0, max: 2 ** 32 - 1 }),
    help: 'same seed, same sample',
    commands: ['bench', 'tune'],
    default: 1,
  },
} as const satisfies Rows;

export const TUNE_ROWS = {
  bandwidth: {
    kind: rate(RATE),
    help: 'the link: 1gbit, 100mbit, 25gbit; 0 = does not limit',
    commands: ['tune'],
  },
  probe: {
    kind: text(),
    help: 'address of a `ramferry receive --probe`: measures link and destination; no --bandwidth',
    commands: ['tune'],
    excludes: {
      names: ['bandwidth'],
      message: 'probe: the probe measures the link: leave --bandwidth out',
      hint: 'give --probe or --bandwidth',
    },
  },
  budget: {
    kind: duration(BUDGET_MS),
    help: 'how long to measure',
    commands: ['tune'],
    default: 20_000,
  },
  compressCpus: {
    kind: count(LIMITS.threads),
    help: 'CPUs for ramferry here',
    commands: ['tune'],
    default: () => Math.min(LIMITS.threads.max, allowedCpus()),
    defaultText: 'those allowed',
  },
  decompressCpus: {
    kind: count(LIMITS.threads),
    help: 'CPUs at the destination',
    commands: ['tune'],
    defaultText: 'what the probe says, or as many as here',
  },
  dirtyRate: {
    kind: rate(RATE),
    help: 'memory that the running guest dirties per second: 50MiB; predicts rounds and downtime',
    commands: ['tune'],
    default: 0,
  },
  downtimeLimit: {
    kind: duration({ min: 1, max: 3_600_000 }),
    help: 'how long the guest may be paused',
    commands: ['tune'],
    default: DOWNTIME_LIMIT_MS,
  },
  writer: {
    kind: choice(WRITERS),
    help: 'what takes the bytes at the destination; socket is a hypervisor',
    commands: ['tune'],
    default: 'socket',
  },
  verify: {
    kind: flag(),
    help: 'run the recommendation and its neighbours here, over a limited loopback link; as long again',
    commands: ['tune'],
    default: false,
  },
} as const satisfies Rows;

export const BENCH_ROWS = {
  codecs: { kind: list(choice(CODEC_NAMES)), help: 'which', commands: ['bench'], defaultText: 'all' },
  levels: {
    kind: list(count()),
    help: 'of codecs that have levels: 1,3,9',
    commands: ['bench'],
    defaultText: 'a few of each',
  },
  chunkSizes: {
    kind: list(size({ min: LIMITS.chunkSize.min, max: 4 * MIB }, PAGE_BYTES)),
    help: 'sizes of chunks: 256KiB,1MiB',
    commands: ['bench'],
    defaultText: '1MiB; zstd 1 from 64KiB to 4MiB',
  },
  threads: {
    kind: list(count(LIMITS.threads)),
    help: 'numbers of threads: 1,2,4',
    commands: ['bench'],
    defaultText: '1 and all CPUs',
  },
  before: {
    kind: file(),
    help: 'an older image of the same guest: what deltas gain on pages sent again',
    commands: ['bench'],
  },
  repetitions: {
    kind: count({ min: 1, max: 1000 }),
    help: 'after a warm-up',
    commands: ['bench'],
    defaultText: `${REPETITIONS.full}; quick ${REPETITIONS.quick}`,
  },
  quick: {
    kind: flag(),
    help: 'fewer regions and repetitions: under 30 s',
    commands: ['bench'],
    default: false,
  },
  peers: {
    kind: flag(),
    help: 'other programs, where installed; --no-peers leaves them out',
    commands: ['bench'],
    default: true,
  },
} as const satisfies Rows;
