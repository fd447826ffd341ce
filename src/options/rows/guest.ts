// The options of the simulated guest's three commands.

import { DEFAULT_IO_TIMEOUT_MS } from '../../link/options.js';
import { IMAGE_PROFILES, type ImageProfile } from '../../image/profiles.js';
import { DOWNTIME_LIMIT_MS, MAX_ROUNDS } from '../../model/precopy.js';
import { PAGE_BYTES } from '../../page/size.js';
import { GIB } from '../../units.js';
import {
  type Duration,
  GUEST_FORMATS,
  type GuestFormat,
  type Rate,
  type Shaping,
  SHAPINGS,
  type Size,
  WRITE_PATTERNS,
  type WritePattern,
} from '../amounts.js';
import type { LinkOptions } from './common.js';
import { address, choice, count, duration, file, flag, rate, size, text } from '../kinds.js';
import { LIMITS, RATE } from '../limits.js';
import type { Rows } from '../row.js';

const MEMORY = { min: PAGE_BYTES, max: 2 ** 40 };
const DIRTY_RATE = { min: 0, max: 2 ** 40 };
const ROUNDS = { min: 1, max: 1_000_000 };

/** The simulated guest and its activity. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface SimulatedGuestOptions {
  /** The stream that the source writes. Default `qemu`. */
  readonly format?: GuestFormat | undefined;
  /** RAM from this image instead of the generator. Excludes `size` and `profile`. Default: none. */
  readonly image?: string | undefined;
  /** Bytes of generated RAM, 4 KiB to 1 TiB, a multiple of 4096. Default 1 GiB. */
  readonly size?: Size | undefined;
  /** Contents of generated RAM: `idle` (a guest that has booted and does nothing) or `busy`. Default `idle`. */
  readonly profile?: ImageProfile | undefined;
  /** Seed of the generator: the same seed gives the same guest. A whole number from 0. Default 1. */
  readonly seed?: number | undefined;
  /** What the guest's program does to a page. Default `integers`, the random writer of QEMU's document. */
  readonly pattern?: WritePattern | undefined;
  /** Bytes of memory that the guest's program writes to, 4 KiB to 1 TiB. Default: a quarter of RAM. */
  readonly workingSet?: Size | undefined;
  /** Milliseconds: the guest is paused when what is left takes no longer. 0 to 2^31 - 1. Excludes `rounds`. Default 300. */
  readonly downtimeLimit?: Duration | undefined;
  /** Live rounds after which the guest is paused in any case, 1 to 1,000,000. Excludes `rounds`. Default 30. */
  readonly maxRounds?: number | undefined;
  /** Exact number of live rounds, 1 to 1,000,000. Excludes `downtimeLimit` and `maxRounds`. Default: until convergence. */
  readonly rounds?: number | undefined;
}

/** The options of `guest source`. */
export interface SourceOptions extends SimulatedGuestOptions, LinkOptions {
  /** Address of the link. Required, not empty. */
  readonly output: string;
  /** Bytes of pages that the guest's program makes dirty in a second, 0 to 2^40. Default 0: it writes nothing. */
  readonly dirtyRate?: Rate | undefined;
  /** Bytes per second that may leave. Default 0: no limit. */
  readonly maxBandwidth?: Rate | undefined;
}

/** The options of `guest destination`. */
export interface DestinationOptions extends LinkOptions {
  /** Address of the link. Required, not empty. */
  readonly input: string;
  /** Bytes of RAM, 4 KiB to 1 TiB. A guest with more is refused. Default 4 GiB. */
  readonly ramLimit?: Size | undefined;
}

/** The options of `guest compare`. */
export interface CompareOptions extends SimulatedGuestOptions {
  /** Bytes of pages that the busy guest dirties in a second, 0 to 2^40. The idle guest writes nothing. Default 80 MB/s. */
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

export const GUEST_ROWS = {
  size: {
    kind: size(MEMORY, PAGE_BYTES),
    help: 'RAM of a generated guest',
    commands: ['guest source', 'guest compare'],
    usual: GIB,
  },
  profile: {
    kind: choice(IMAGE_PROFILES),
    help: 'what generated RAM is like',
    commands: ['guest source', 'guest compare'],
    usual: 'idle',
  },
  image: {
    kind: file(),
    help: 'RAM from this image instead',
    commands: ['guest source', 'guest compare'],
    excludes: {
      names: ['size', 'profile'],
      message: 'image: RAM is that of the image, not of a size or profile',
      hint: 'give --image, or --size and --profile',
    },
  },
  seed: {
    kind: count({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    help: 'of everything that is made up',
    commands: ['guest source', 'guest compare'],
    default: 1,
  },
  format: {
    kind: choice(GUEST_FORMATS),
    help: 'the stream',
    commands: ['guest source', 'guest compare'],
    default: 'qemu',
  },
  workingSet: {
    kind: size(MEMORY),
    help: 'memory that is written to',
    commands: ['guest source', 'guest compare'],
    defaultText: 'a quarter of RAM',
  },
  pattern: {
    kind: choice(WRITE_PATTERNS),
    help: 'what a write does to a page',
    commands: ['guest source', 'guest compare'],
    default: 'integers',
  },
  downtimeLimit: {
    kind: duration(LIMITS.timeout),
    help: 'pause the guest when what is left takes no longer',
    commands: ['guest source', 'guest compare'],
    usual: DOWNTIME_LIMIT_MS,
  },
  maxRounds: {
    kind: count(ROUNDS),
    help: 'pause it after so many live rounds all the same',
    commands: ['guest source', 'guest compare'],
    usual: MAX_ROUNDS,
  },
  rounds: {
    kind: count(ROUNDS),
    help: 'exactly so many live rounds instead',
    commands: ['guest source', 'guest compare'],
    excludes: {
      names: ['maxRounds', 'downtimeLimit'],
      message: 'rounds: a fixed number of rounds has no other condition',
      hint: 'give --rounds, or --downtime-limit and --max-rounds',
    },
  },
} as const satisfies Rows;

export const GUEST_SOURCE_ROWS = {
  output: {
    kind: address(),
    help: 'the link',
    commands: ['guest source'],
    required: true,
    positional: 'dash',
  },
  dirtyRate: {
    kind: rate(DIRTY_RATE),
    help: 'pages written per second, as bytes: 80MB; 0 = none',
    commands: ['guest source'],
    default: 0,
  },
  maxBandwidth: {
    kind: rate(RATE),
    help: 'limit of the link: 1gbit, 100MB; 0 = none',
    commands: ['guest source'],
    default: 0,
  },
} as const satisfies Rows;

export const GUEST_DESTINATION_ROWS = {
  input: {
    kind: address(),
    help: 'the link',
    commands: ['guest destination'],
    required: true,
    positional: 'dash',
  },
  ramLimit: {
    kind: size(MEMORY),
    help: 'refuse a guest with more RAM',
    commands: ['guest destination'],
    default: 4 * GIB,
  },
} as const satisfies Rows;

export const GUEST_LINK_ROWS = {
  oneWay: {
    kind: flag(),
    help: 'no acknowledgement, though the link goes both ways',
    commands: ['guest source', 'guest destination'],
    default: false,
  },
  connectTimeout: {
    kind: duration(LIMITS.timeout),
    help: 'how long to wait for a connection',
    commands: ['guest source', 'guest destination'],
    defaultText: '10s; listening: for ever',
  },
  ioTimeout: {
    kind: duration(LIMITS.timeout),
    help: 'how long the link may be silent; 0 = for ever',
    commands: ['guest source', 'guest destination'],
    default: DEFAULT_IO_TIMEOUT_MS,
  },
} as const satisfies Rows;

export const GUEST_COMPARE_ROWS = {
  dirtyRate: {
    kind: rate(DIRTY_RATE),
    help: 'of the guest that writes: pages per second, as bytes',
    commands: ['guest compare'],
    default: 80e6,
  },
  link: {
    kind: rate({ min: 1000, max: 2 ** 40 }),
    help: 'speed of the link',
    commands: ['guest compare'],
    default: 125e6,
  },
  shaping: {
    kind: choice(SHAPINGS),
    help: 'what limits it; auto is tc as root, in network namespaces of its own',
    commands: ['guest compare'],
    default: 'auto',
  },
  codec: { kind: text(), help: 'as for send', commands: ['guest compare'] },
  compressLevel: { kind: count(), help: 'as for send', commands: ['guest compare'] },
  compressThreads: { kind: count(), help: 'as for send', commands: ['guest compare'] },
  decompressThreads: { kind: count(), help: 'as for receive', commands: ['guest compare'] },
} as const satisfies Rows;
