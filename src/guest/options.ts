// The options of the simulated guest's three commands: types, defaults and limits, checked once at the door.
// Takes what a program or the command line gave, returns a complete set or throws ERR_OPTION_INVALID with the option's
// name. Opens nothing.

import { z } from 'zod';
import { RamferryError } from '../errors.js';
import { DEFAULT_IO_TIMEOUT_MS } from '../link/options.js';
import { DOWNTIME_LIMIT_MS, MAX_ROUNDS } from '../model/precopy.js';
import { GUEST_FORMATS, SHAPINGS, WRITE_PATTERNS } from '../options/amounts.js';
import type { Exact } from '../options/exact.js';
import type { CompareOptions, DestinationOptions, SourceOptions } from '../options/guest.js';
import { LIMITS, quantity, resolve } from '../options/transfer.js';
import { PAGE_BYTES } from '../page/size.js';
import { GIB, parseDuration, parseRate, parseSize } from '../units.js';
import type { GuestOptions } from './guest.js';
import { IMAGE_PROFILES } from '../image/image.js';
import type { PausePolicy } from './precopy.js';
import type { GuestLoad } from './send.js';

const LARGEST = 2 ** 40;
const ROUNDS = 1_000_000;
/** The random writer of QEMU's document does not say how large its areas are or how often it writes. */
const WORKING_SET_SHARE = 4;

/** The guest and what it does, however it is moved. */
const guestShape = {
  /** The stream that the source writes. Default qemu. */
  format: z.enum(GUEST_FORMATS).default('qemu'),
  /** RAM from this image instead of the generator. */
  image: z.string().min(1).optional(),
  /** Bytes of generated RAM. Default 1 GiB. */
  size: quantity('size', parseSize, { min: PAGE_BYTES, max: LARGEST })
    .refine((value) => value % PAGE_BYTES === 0, `expected a multiple of ${PAGE_BYTES}`)
    .optional(),
  /** What generated RAM is like. Default idle: a guest that has booted and does nothing. */
  profile: z.enum(IMAGE_PROFILES).optional(),
  /** Of everything that is made up. Default 1. */
  seed: z.int().min(0).default(1),
  /** What the guest's program does to a page. Default integers, the random writer of QEMU's document. */
  pattern: z.enum(WRITE_PATTERNS).default('integers'),
  /** Bytes of memory that it writes to. Default a quarter of RAM. */
  workingSet: quantity('workingSet', parseSize, { min: PAGE_BYTES, max: LARGEST }).optional(),
  /** Bytes of pages that it makes dirty in a second; 0 = it writes nothing. */
  dirtyRate: quantity('dirtyRate', parseRate, { min: 0, max: LARGEST }),
  /** QEMU's: the guest is paused when what is left takes at most so many ms. Default 300. */
  downtimeLimit: quantity('downtimeLimit', parseDuration, LIMITS.timeout).optional(),
  /** Live rounds after which it is paused all the same. Default 30. */
  maxRounds: z.int().min(1).max(ROUNDS).optional(),
  /** Exactly so many live rounds instead. */
  rounds: z.int().min(1).max(ROUNDS).optional(),
};

const linkShape = {
  connectTimeout: quantity('connectTimeout', parseDuration, LIMITS.timeout).optional(),
  ioTimeout: quantity('ioTimeout', parseDuration, LIMITS.timeout).default(DEFAULT_IO_TIMEOUT_MS),
  /** Use a link that goes both ways one way: no acknowledgement; RAM's hash goes in the stream. */
  oneWay: z.boolean().default(false),
};

const sourceSchema = z.strictObject({
  output: z.string().min(1),
  ...guestShape,
  dirtyRate: guestShape.dirtyRate.default(0),
  ...linkShape,
  /** Bytes per second that may leave; 0 = unlimited. */
  maxBandwidth: quantity('maxBandwidth', parseRate, { min: 0, max: Number.MAX_SAFE_INTEGER }).default(0),
});

const destinationSchema = z.strictObject({
  input: z.string().min(1),
  ...linkShape,
  /** A guest with more RAM is refused. Default 4 GiB. */
  ramLimit: quantity('ramLimit', parseSize, { min: PAGE_BYTES, max: LARGEST }).default(4 * GIB),
});

const compareSchema = z.strictObject({
  ...guestShape,
  /** Of the guest that writes; the idle one writes nothing. Default 80 MB/s. */
  dirtyRate: guestShape.dirtyRate.default(80e6),
  /** Bytes per second of the link. Default 1 Gbit/s. */
  link: quantity('link', parseRate, { min: 1000, max: LARGEST }).default(125e6),
  /** How the link is limited: tc between two network namespaces (as root), or by the sender. */
  shaping: z.enum(SHAPINGS).default('auto'),
  codec: z.string().min(1).optional(),
  compressLevel: z.int().optional(),
  compressThreads: z.int().optional(),
  decompressThreads: z.int().optional(),
});

true satisfies Exact<z.input<typeof sourceSchema>, SourceOptions>;
true satisfies Exact<z.input<typeof destinationSchema>, DestinationOptions>;
true satisfies Exact<z.input<typeof compareSchema>, CompareOptions>;

export type ResolvedSourceOptions = z.output<typeof sourceSchema>;
export type ResolvedDestinationOptions = z.output<typeof destinationSchema>;
export type ResolvedCompareOptions = z.output<typeof compareSchema>;

/** @throws RamferryError ERR_OPTION_INVALID, as do the two below */
export function resolveSourceOptions(options: SourceOptions): ResolvedSourceOptions {
  return checked(resolve(sourceSchema, options));
}

export function resolveDestinationOptions(options: DestinationOptions): ResolvedDestinationOptions {
  return resolve(destinationSchema, options);
}

export function resolveCompareOptions(options: CompareOptions): ResolvedCompareOptions {
  return checked(resolve(compareSchema, options));
}

type GuestShape = Omit<ResolvedSourceOptions, 'output' | 'maxBandwidth' | keyof typeof linkShape>;

function checked<Options extends GuestShape>(options: Options): Options {
  const { image, size, profile, rounds, maxRounds, downtimeLimit } = options;
  if (image !== undefined && (size !== undefined || profile !== undefined)) {
    throw new RamferryError(
      'ERR_OPTION_INVALID',
      'image: RAM is that of the image, not of a size or profile',
      {
        hint: 'give --image, or --size and --profile',
      },
    );
  }
  if (rounds !== undefined && (maxRounds !== undefined || downtimeLimit !== undefined)) {
    throw new RamferryError('ERR_OPTION_INVALID', 'rounds: a fixed number of rounds has no other condition', {
      hint: 'give --rounds, or --downtime-limit and --max-rounds',
    });
  }
  return options;
}

/** The guest that these options describe. */
export function guestOf({ format, image, size, profile, seed }: GuestShape): GuestOptions {
  const memory = image === undefined ? { bytes: size ?? GIB, profile: profile ?? 'idle' } : { path: image };
  return { format, memory, seed };
}

/** What its program does; undefined for an idle guest. @param mainPages size of its memory */
export function loadOf(options: GuestShape, mainPages: number): GuestLoad | undefined {
  const { pattern, workingSet, dirtyRate, seed } = options;
  if (dirtyRate === 0) return undefined;
  const share = Math.ceil(mainPages / WORKING_SET_SHARE);
  return {
    pattern,
    workingSetPages: workingSet === undefined ? share : Math.ceil(workingSet / PAGE_BYTES),
    // Not where the kernel lies, but in the middle, where programs have their memory.
    firstPage: Math.min(
      share,
      mainPages - (workingSet === undefined ? share : Math.ceil(workingSet / PAGE_BYTES)),
    ),
    seed,
    rate: { bytesPerSecond: dirtyRate },
  };
}

export function policyOf({ downtimeLimit, maxRounds, rounds }: GuestShape): PausePolicy {
  if (rounds !== undefined) return { kind: 'fixed', rounds };
  return {
    kind: 'converge',
    downtimeLimit: downtimeLimit ?? DOWNTIME_LIMIT_MS,
    maxRounds: maxRounds ?? MAX_ROUNDS,
  };
}
