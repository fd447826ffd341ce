// The options of send and receive: their types, defaults and limits, checked once at the door.
// Takes what a program or the command line gave, returns a complete set or throws ERR_OPTION_INVALID with the option's
// name. Everything behind the door may rely on it. Opens nothing: whether an address works is seen later.

import type { Readable, Writable } from 'node:stream';

import { z } from 'zod';
import { MAX_STORE_PAGES } from '../chunk/page-store.js';
import { MAX_CHUNK_BYTES } from '../chunk/record.js';
import { CODEC_NAMES } from '../codec/codec.js';
import { ZSTD_LEVELS } from '../codec/zstd-level.js';
import { RamferryError } from '../errors.js';
import { DEFAULT_IO_TIMEOUT_MS } from '../link/options.js';
import { DOWNTIME_LIMIT_MS } from '../model/precopy.js';
import { PAGE_BYTES } from '../page/size.js';
import {
  invalidOption,
  KIB,
  MIB,
  outOfRange,
  parseCpus,
  parseDuration,
  parseRate,
  parseSize,
} from '../units.js';
import { allowedCpus } from '../os/cpus.js';
import { guarded } from '../transfer/statistics/callbacks.js';
import type { Progress } from '../transfer/statistics/summary.js';
import { FORMATS, METHODS } from './amounts.js';
import type { Exact } from './exact.js';
import type { ReceiveOptions } from './receive.js';
import type { SendOptions } from './send.js';

export type { ReceiveOptions } from './receive.js';
export type { SendOptions } from './send.js';

/** Limits of the options; `ramferry features` shows them. */
export const LIMITS = {
  threads: { min: 1, max: 255 },
  chunkSize: { min: 64 * KIB, max: 16 * MIB },
  window: { min: 16 * MIB, max: MAX_CHUNK_BYTES },
  /** Below this not even two of the smallest slots fit; what larger chunks need is checked when they are laid out. */
  memoryLimit: { min: 4 * MIB, max: Number.MAX_SAFE_INTEGER },
  downtimeLimit: { min: 1, max: 2 ** 31 - 1 },
  /** 0 = none; one buffer of Node.js holds all its pages. */
  xbzrleCacheSize: { min: 0, max: MAX_STORE_PAGES * PAGE_BYTES },
  maxSize: { min: 1, max: Number.MAX_SAFE_INTEGER },
  flushAfter: { min: 1, max: 60_000 },
  /** CPUs. */
  maxCpu: { min: 0.05, max: 255 },
  nice: { min: 0, max: 19 },
  /** setTimeout takes no more. */
  timeout: { min: 0, max: 2 ** 31 - 1 },
} as const;

interface Range {
  readonly min: number;
  readonly max: number;
}

/** As QEMU's xbzrle-cache-size. */
export const DEFAULT_STORE_BYTES = 64 * MIB;
/** Bytes of guest stream in a chunk when nothing is said. */
export const DEFAULT_CHUNK_BYTES = MIB;
/** What everything else may take. */
const MEMORY_BESIDE_STORE = 256 * MIB;
export const DEFAULT_MEMORY_LIMIT = MEMORY_BESIDE_STORE + DEFAULT_STORE_BYTES;
/** Of a memory limit, the part that a page store takes whose size was not given. */
export const STORE_PART = 1 / 4;

/** QEMU allows 8 compression threads by default and 2 for decompression, which is several times as fast. */
const COMPRESS_THREADS = 8;
export const DECOMPRESS_THREADS = 2;

/** A number with a unit, or the bare number. The schema hands the name of the option to the parser. */
export function quantity(
  option: string,
  parse: (value: string | number, option: string) => number,
  range: Range,
) {
  return z.union([z.number(), z.string()]).transform((value) => {
    const amount = parse(value, option);
    const unit = parse === parseSize ? 'size' : parse === parseDuration ? 'duration' : 'count';
    if (amount < range.min) throw outOfRange(option, value, 'below', range.min, unit);
    if (amount > range.max) throw outOfRange(option, value, 'above', range.max, unit);
    return amount;
  });
}

/** An address, or a stream: whatever has the method, for it may come from another copy of Node's `stream`. */
function end<S extends Readable | Writable>(method: 'read' | 'write') {
  return z.custom<string | S>(
    (value) =>
      typeof value === 'string'
        ? value !== ''
        : typeof (value as Partial<Record<string, unknown>> | null | undefined)?.[method] === 'function',
    { error: 'expected an address that is not empty, or a stream' },
  );
}

const threads = z.int().min(LIMITS.threads.min).max(LIMITS.threads.max);

/** A function whose exceptions stay its own; z.function() would check its arguments at each call. */
export function callback<Arguments extends unknown[]>() {
  return z
    .custom<(...args: Arguments) => void>((value) => typeof value === 'function', {
      error: 'expected a function',
    })
    .transform((value) => guarded(value))
    .optional();
}

/** What both sides have. */
const common = {
  /** Where the bytes come from: an address (docs/INTEGRATION.md: `tcp:host:port`, `unix:/path`, `-`), or a Readable. */
  input: end<Readable>('read'),
  /** Where they go: an address, or a Writable. */
  output: end<Writable>('write'),
  /**
   * Bytes of memory that slots, codecs and the page store may take together. Default 320 MiB; at a sender that was given
   * xbzrleCacheSize, 256 MiB more than that.
   */
  memoryLimit: quantity('memoryLimit', parseSize, LIMITS.memoryLimit).default(DEFAULT_MEMORY_LIMIT),
  /** Use this zstd binding (`ramferry features` lists them) instead of the best one that works. */
  zstdBinding: z.string().min(1).optional(),
  /** Overwrite an output file that exists. */
  force: z.boolean().default(false),
  /** Wait for the disk before an output file gets its final name. Default false, as zstd and QEMU do. */
  sync: z.boolean().default(false),
  /** Files are read and written around the page cache, where the file system can. */
  directIo: z.boolean().default(false),
  /** Links that go both ways are used one way: no handshake, no acknowledgement. Both sides must say so. */
  oneWay: z.boolean().default(false),
  /**
   * Milliseconds to wait for a connection, either way. Without it: 10 s for connecting (0 = try once), for ever for a
   * listener (as 0).
   */
  connectTimeout: quantity('connectTimeout', parseDuration, LIMITS.timeout).optional(),
  /** Milliseconds without a byte from the link or to it after which it counts as dead; 0 waits for ever. */
  ioTimeout: quantity('ioTimeout', parseDuration, LIMITS.timeout).default(DEFAULT_IO_TIMEOUT_MS),
  /** Ends the transfer; what it throws is the signal's reason when that is a RamferryError. */
  signal: z.instanceof(AbortSignal).optional(),
  /** Called a few times a second while bytes flow. */
  onProgress: callback<[progress: Progress]>(),
  /** Called once for a listening address, with the port that the system chose. */
  onListening: callback<[address: string]>(),
  /** Called with what the user should know although the transfer goes on. */
  onWarning: callback<[message: string]>(),
};

export const sendSchema = z.strictObject({
  ...common,
  /** Compression threads. Default: as many CPUs as the process may use, at most 8. */
  compressThreads: threads.default(() => Math.min(COMPRESS_THREADS, allowedCpus())),
  /** 0 stores, 1 is fastest; how far it goes depends on the codec. Default 1. */
  compressLevel: z.int().default(1),
  codec: z.enum(CODEC_NAMES as [(typeof CODEC_NAMES)[number]]).default('zstd'),
  /**
   * Choose codec and level of each chunk while the transfer runs, by what is measured (docs/ADAPTIVE.md). Default: yes
   * on sockets, pipes and commands when neither codec nor level is given. A codec that is given is kept; a level is where
   * it begins.
   */
  adaptive: z.boolean().optional(),
  /** Highest level that the adaptive mode may choose. Default 19. */
  maxLevel: z.int().min(ZSTD_LEVELS.min).max(ZSTD_LEVELS.max).default(ZSTD_LEVELS.max),
  /** Processor time that the transfer may take, in CPUs: 1.5, or `150%`. Default: all that the process may use. */
  maxCpu: quantity('maxCpu', parseCpus, LIMITS.maxCpu).optional(),
  /** Niceness of the compression threads, 0 to 19. Default: that of the process. */
  nice: z.int().min(LIMITS.nice.min).max(LIMITS.nice.max).optional(),
  /** Bytes of guest stream in a chunk, a multiple of 4096. Default 1 MiB; the adaptive mode may take 2 MiB of an image in a file. */
  chunkSize: quantity('chunkSize', parseSize, LIMITS.chunkSize)
    .default(DEFAULT_CHUNK_BYTES)
    .refine((value) => value % PAGE_BYTES === 0, `expected a multiple of ${PAGE_BYTES}`),
  /**
   * Bytes over which repetitions are found: chunks of that size, 16 to 64 MiB, with zstd's long-distance matching. Smaller on the
   * link, for more processor time, more memory on both sides (--memory-limit) and more downtime. Not beside chunkSize.
   */
  window: quantity('window', parseSize, LIMITS.window)
    .refine((value) => value % PAGE_BYTES === 0, `expected a multiple of ${PAGE_BYTES}`)
    .optional(),
  /** Bytes per second that may leave; 0 = unlimited, the default. */
  maxBandwidth: quantity('maxBandwidth', parseRate, { min: 0, max: Number.MAX_SAFE_INTEGER }).default(0),
  /**
   * QEMU's, in milliseconds: for how long the guest may be paused. The hypervisor decides that; this is what progress
   * measures its expectations by. Default 300, as in QEMU.
   */
  downtimeLimit: quantity('downtimeLimit', parseDuration, LIMITS.downtimeLimit).default(DOWNTIME_LIMIT_MS),
  /** False: a chunk that finds all compression threads busy is sent as it is. */
  compressWaitThread: z.boolean().default(true),
  /** Decode every chunk again before it leaves, and compare. */
  selfCheck: z.boolean().default(false),
  /**
   * Bytes of the page store: pages that are sent again travel as their difference, pages that are there already not at
   * all. 0 = none. Default 64 MiB, or less where the memory limit or the receiver leaves less. Only for streams whose
   * pages have identities (QEMU, Xen).
   */
  xbzrleCacheSize: quantity('xbzrleCacheSize', parseSize, LIMITS.xbzrleCacheSize)
    .refine((value) => value % PAGE_BYTES === 0, `expected a multiple of ${PAGE_BYTES}`)
    .optional(),
  method: z.enum(METHODS).default('xenguest'),
  /**
   * Version of method `xenguest` in which a Xen stream leaves, 1 or 2. Default: 2; where the receiver says on the link that it
   * reads version 1 only, the stream leaves in the native container, which every version reads. 1, which ramferry 0.1 reads, has
   * no marks (docs/FORMAT.md) and does not compress what cannot be followed: for hosts that are updated one after the other.
   */
  xenguestVersion: z.union([z.literal(1), z.literal(2)], { error: 'expected 1 or 2' }).optional(),
  format: z.enum(FORMATS).default('auto'),
  /** Milliseconds after which waiting bytes leave although their chunk is not full. Default 50. */
  flushAfter: quantity('flushAfter', parseDuration, LIMITS.flushAfter).default(50),
});

export const receiveSchema = z.strictObject({
  ...common,
  /** Decompression threads. Default: as many CPUs as the process may use, at most 2. */
  decompressThreads: threads.default(() => Math.min(DECOMPRESS_THREADS, allowedCpus())),
  /**
   * Most bytes that the output may take, 1 or more. Default: the length that the stream's header announces, where it
   * does (a RAM image that was sent from a file); without an announcement there is no limit.
   */
  maxSize: quantity('maxSize', parseSize, LIMITS.maxSize).optional(),
  /** Hand a stream that nobody compressed on as it is, instead of refusing it. */
  passThrough: z.boolean().default(false),
});

true satisfies Exact<z.input<typeof sendSchema>, SendOptions>;
true satisfies Exact<z.input<typeof receiveSchema>, ReceiveOptions>;

/** SendOptions after the door: complete, quantities in bytes, bytes per second and milliseconds. */
export type ResolvedSendOptions = z.output<typeof sendSchema>;
export type ResolvedReceiveOptions = z.output<typeof receiveSchema>;

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveSendOptions(options: SendOptions): ResolvedSendOptions {
  const resolved = windowed(resolve(sendSchema, options), options);
  const { xbzrleCacheSize } = resolved;
  if (options.memoryLimit !== undefined || xbzrleCacheSize === undefined) return resolved;
  return { ...resolved, memoryLimit: MEMORY_BESIDE_STORE + xbzrleCacheSize };
}

/** A window is a size of chunks. */
function windowed(resolved: ResolvedSendOptions, options: SendOptions): ResolvedSendOptions {
  const { window } = resolved;
  if (window === undefined) return resolved;
  if (options.chunkSize !== undefined) {
    throw new RamferryError('ERR_OPTION_INVALID', 'window and chunkSize cannot both be given', {
      hint: 'the window is the size of the chunks',
    });
  }
  return { ...resolved, chunkSize: window };
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveReceiveOptions(options: ReceiveOptions): ResolvedReceiveOptions {
  return resolve(receiveSchema, options);
}

/** Checks options against their schema. @throws RamferryError ERR_OPTION_INVALID that names the option */
export function resolve<Schema extends z.ZodObject>(
  schema: Schema,
  options: z.input<Schema>,
): z.output<Schema> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  throw optionError(result.error.issues[0], options, Object.keys(schema.shape));
}

/** What zod found, in our words: its own are for programmers. */
export function optionError(
  issue: z.core.$ZodIssue | undefined,
  options: Readonly<Record<string, unknown>>,
  known: readonly string[],
): RamferryError {
  if (issue?.code === 'unrecognized_keys') {
    return new RamferryError('ERR_OPTION_INVALID', `${issue.keys[0]!}: no such option`, {
      hint: `options: ${known.join(', ')}`,
    });
  }
  const [first = 'options', ...inner] = issue?.path ?? [];
  const name = String(first);
  let value: unknown = issue?.path.length === 0 ? options : options[name];
  for (const key of inner) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (issue?.code === 'too_small' && issue.origin !== 'string' && issue.origin !== 'array') {
    return outOfRange(name, value, 'below', Number(issue.minimum), 'count');
  }
  if (issue?.code === 'too_big' && issue.origin !== 'string' && issue.origin !== 'array') {
    return outOfRange(name, value, 'above', Number(issue.maximum), 'count');
  }
  return invalidOption(name, value, problem(issue), hintFor(name, value));
}

/** `zstd:3`, as other programs write codec and level. */
function hintFor(name: string, value: unknown): string | undefined {
  const [, codec, level] = (name === 'codec' && /^([a-z0-9]+)[:-](\d+)$/.exec(String(value))) || [];
  return codec === undefined ? undefined : `write --codec ${codec} --compress-level ${level!}`;
}

function problem(issue: z.core.$ZodIssue | undefined): string {
  switch (issue?.code) {
    case 'invalid_value':
      return `expected one of ${issue.values.join(', ')}`;
    case 'too_small':
      return issue.origin === 'string'
        ? 'expected a text that is not empty'
        : `expected at least ${issue.minimum}`;
    case 'too_big':
      return `expected at most ${issue.maximum}`;
    case 'invalid_type':
      return `expected ${issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`}`;
    default:
      return issue?.message ?? 'not valid';
  }
}
