// The options of tune and bench.

import type { CodecName } from '../codec/codec.js';
import type { Duration, Rate, Size, Writer } from './amounts.js';

/** What tune and bench both take. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface MeasuringOptions {
  /** The guest's memory: a RAM image or a migration stream, from an address that can be read. Required, not empty. */
  readonly input: string;
  /** Same seed, same regions of the image. 0 to 2^32 - 1. Default 1. */
  readonly seed?: number | undefined;
  /** Use this zstd binding. One that does not work here fails with ERR_CODEC_UNAVAILABLE. Default: the best one that works. */
  readonly zstdBinding?: string | undefined;
  /** Ends the measurement. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Called with what is being measured, and the share of the work that is done (0 to 1). Default: none. */
  readonly onProgress?: ((step: string, share: number) => void) | undefined;
}

/** What a caller of tune gives: the input, and the link as `bandwidth` or `probe`. */
export interface TuneOptions extends MeasuringOptions {
  /**
   * Bytes per second that the link carries, headers and all; 0: only the hosts limit. Excludes `probe`. Default: 0, or what the
   * probe measures.
   */
  readonly bandwidth?: Rate | undefined;
  /**
   * Address of a `ramferry receive --probe`: the link and the other host are measured instead of assumed. Excludes `bandwidth`.
   * Default: none.
   */
  readonly probe?: string | undefined;
  /** Milliseconds for measuring, 3 s to 1 h. More time measures more codings. Default 20 s. */
  readonly budget?: Duration | undefined;
  /** CPUs for ramferry at the source, 1 to 255. Default: those that this process may use. */
  readonly compressCpus?: number | undefined;
  /** CPUs for ramferry at the destination, 1 to 255. Default: what the probe says, or as many as here. */
  readonly decompressCpus?: number | undefined;
  /** Bytes per second of pages that the running guest dirties. Default 0: the guest stands still. */
  readonly dirtyRate?: Rate | undefined;
  /** Milliseconds for which the guest may be paused, 1 ms to 1 h. Default 300, as in QEMU. */
  readonly downtimeLimit?: Duration | undefined;
  /** What takes the restored bytes at the destination: `socket` (a hypervisor), `file` or `discard`. Default `socket`. */
  readonly writer?: Writer | undefined;
  /** Also run the recommendation and its neighbours on this host, over a limited loopback link. Default false. */
  readonly verify?: boolean | undefined;
}

/** What a caller of bench gives: the input; the rest may be left out. */
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
