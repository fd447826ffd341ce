// The options of tune: types, defaults and limits, checked once at the door.

import { z } from 'zod';

import { allowedCpus } from '../../os/cpus.js';
import { WRITERS } from '../../options/amounts.js';
import type { Exact } from '../../options/exact.js';
import { callback, LIMITS, optionError, quantity } from '../../options/transfer.js';
import { DOWNTIME_LIMIT_MS } from '../../model/precopy.js';
import type { TuneOptions } from '../../options/tune.js';
import { invalidOption, parseDuration, parseRate } from '../../units.js';

const cpus = z.int().min(1).max(LIMITS.threads.max);
const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };

/** Milliseconds: a shorter budget does not suffice for any advice. */
export const SHORTEST_BUDGET = 3000;

/** What tune and bench have in common. */
export const measuring = {
  /** Same seed, same regions of the image. */
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1),
  zstdBinding: z.string().min(1).optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onProgress: callback<[step: string, share: number]>(),
};

const schema = z.strictObject({
  /** The guest's memory: an image, or a stream, from an address that can be read. */
  input: z.string().min(1),
  /** Bytes per second on the cable, headers and all; 0 = nothing limits but the hosts. */
  bandwidth: quantity('bandwidth', parseRate, ANY).optional(),
  /** Address of a `ramferry receive --probe`: the link and the other host are measured instead. */
  probe: z.string().min(1).optional(),
  /** Milliseconds for measuring. */
  budget: quantity('budget', parseDuration, { min: SHORTEST_BUDGET, max: 3_600_000 }).default(20_000),
  /** Processors for ramferry at the source; default: those that this process may use. */
  compressCpus: cpus.default(() => Math.min(LIMITS.threads.max, allowedCpus())),
  /** At the destination; default: what the probe says, or as many as here. */
  decompressCpus: cpus.optional(),
  /** Bytes per second of pages that the running guest dirties; 0 = it stands still. */
  dirtyRate: quantity('dirtyRate', parseRate, ANY).default(0),
  /** Milliseconds that the guest may be paused; QEMU's default. */
  downtimeLimit: quantity('downtimeLimit', parseDuration, { min: 1, max: 3_600_000 }).default(
    DOWNTIME_LIMIT_MS,
  ),
  /** What takes the restored bytes at the destination. */
  writer: z.enum(WRITERS).default('socket'),
  /** Run the recommendation and its neighbours too, on this host, over a limited loopback link. */
  verify: z.boolean().default(false),
  ...measuring,
});

true satisfies Exact<z.input<typeof schema>, TuneOptions>;

export type ResolvedTuneOptions = z.output<typeof schema>;

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveTuneOptions(options: TuneOptions): ResolvedTuneOptions {
  const result = schema.safeParse(options);
  if (result.success) {
    const { bandwidth, probe } = result.data;
    if (bandwidth !== undefined && probe !== undefined) {
      throw invalidOption('probe', probe, 'the probe measures the link: leave --bandwidth out');
    }
    return result.data;
  }
  const given = options as unknown as Record<string, unknown>;
  throw optionError(result.error.issues[0], given, Object.keys(schema.shape));
}
