// The options of the simulated guest's three commands.

import type { ImageProfile } from '../image/image.js';
import type { Duration, GuestFormat, Rate, Shaping, Size, WritePattern } from './amounts.js';
import type { LinkOptions } from './common.js';

/** The simulated guest and what it does. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface SimulatedGuestOptions {
  /** The stream that the source writes. Default `qemu`. */
  readonly format?: GuestFormat | undefined;
  /** RAM from this image instead of the generator. Excludes `size` and `profile`. Default: none. */
  readonly image?: string | undefined;
  /** Bytes of generated RAM, 4 KiB to 1 TiB, a multiple of 4096. Default 1 GiB. */
  readonly size?: Size | undefined;
  /** What generated RAM is like: `idle` (a guest that has booted and does nothing) or `busy`. Default `idle`. */
  readonly profile?: ImageProfile | undefined;
  /** Same seed, same guest. A whole number from 0. Default 1. */
  readonly seed?: number | undefined;
  /** What the guest's program does to a page. Default `integers`, the random writer of QEMU's document. */
  readonly pattern?: WritePattern | undefined;
  /** Bytes of memory that the guest's program writes to, 4 KiB to 1 TiB. Default: a quarter of RAM. */
  readonly workingSet?: Size | undefined;
  /** Milliseconds: the guest is paused when what is left takes no longer. 0 to 2^31 - 1. Excludes `rounds`. Default 300. */
  readonly downtimeLimit?: Duration | undefined;
  /** Live rounds after which the guest is paused in any case, 1 to 1,000,000. Excludes `rounds`. Default 30. */
  readonly maxRounds?: number | undefined;
  /** Exactly so many live rounds, 1 to 1,000,000. Excludes `downtimeLimit` and `maxRounds`. Default: until it converges. */
  readonly rounds?: number | undefined;
}

/** What `guest source` takes. */
export interface SourceOptions extends SimulatedGuestOptions, LinkOptions {
  /** Address of the link. Required, not empty. */
  readonly output: string;
  /** Bytes of pages that the guest's program makes dirty in a second, 0 to 2^40. Default 0: it writes nothing. */
  readonly dirtyRate?: Rate | undefined;
  /** Bytes per second that may leave. Default 0: no limit. */
  readonly maxBandwidth?: Rate | undefined;
}

/** What `guest destination` takes. */
export interface DestinationOptions extends LinkOptions {
  /** Address of the link. Required, not empty. */
  readonly input: string;
  /** Bytes of RAM, 4 KiB to 1 TiB. A guest with more is refused. Default 4 GiB. */
  readonly ramLimit?: Size | undefined;
}

/** What `guest compare` takes. */
export interface CompareOptions extends SimulatedGuestOptions {
  /** Bytes of pages that the guest that writes makes dirty in a second, 0 to 2^40. The idle one writes nothing. Default 80 MB/s. */
  readonly dirtyRate?: Rate | undefined;
  /** Bytes per second of the link, 1000 to 2^40. Default 1 Gbit/s. */
  readonly link?: Rate | undefined;
  /** What limits the link: `tc` between two network namespaces (as root), or the sender. Default `auto`: tc where it works. */
  readonly shaping?: Shaping | undefined;
  /** As for send. Checked by the command that is measured. */
  readonly codec?: string | undefined;
  /** As for send. */
  readonly compressLevel?: number | undefined;
  /** As for send. */
  readonly compressThreads?: number | undefined;
  /** As for receive. */
  readonly decompressThreads?: number | undefined;
}
