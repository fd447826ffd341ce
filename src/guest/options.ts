// Options of the simulated guest's three commands: checked and completed by the table (src/options/rows/guest.ts), then
// translated into a guest, its load and its pause policy. Throws ERR_OPTION_INVALID with the option's name. Opens nothing.

import type { LinkOptions } from '../options/rows/common.js';
import type { Exact } from '../options/exact.js';
import {
  type CompareOptions,
  type DestinationOptions,
  GUEST_ROWS,
  type SourceOptions,
} from '../options/rows/guest.js';
import { resolveOptions } from '../options/schema.js';
import type { GivenFor, ValuesFor } from '../options/table.js';
import { PAGE_BYTES } from '../page/size.js';
import type { GuestOptions } from './guest.js';
import type { PausePolicy } from './precopy.js';
import type { GuestLoad } from './send.js';

/**
 * Default working set: one quarter of main memory. QEMU's document names neither the size of its random writer's areas
 * nor its write rate.
 */
const WORKING_SET_SHARE = 4;

true satisfies Exact<GivenFor<'guest source'>, SourceOptions>;
true satisfies Exact<GivenFor<'guest destination'>, DestinationOptions>;
true satisfies Exact<GivenFor<'guest compare'>, CompareOptions>;

export type ResolvedSourceOptions = ValuesFor<'guest source'>;
export type ResolvedDestinationOptions = ValuesFor<'guest destination'>;
export type ResolvedCompareOptions = ValuesFor<'guest compare'>;

/** @throws RamferryError ERR_OPTION_INVALID; so do resolveDestinationOptions and resolveCompareOptions */
export function resolveSourceOptions(options: SourceOptions): ResolvedSourceOptions {
  return resolveOptions('guest source', [], options);
}

export function resolveDestinationOptions(options: DestinationOptions): ResolvedDestinationOptions {
  return resolveOptions('guest destination', [], options);
}

export function resolveCompareOptions(options: CompareOptions): ResolvedCompareOptions {
  return resolveOptions('guest compare', [], options);
}

/** The options that describe the guest and its load, without those of the link. */
type GuestShape = Omit<ResolvedSourceOptions, 'output' | 'maxBandwidth' | keyof LinkOptions>;

/** The guest that these options describe. */
export function guestOf({ format, image, size, profile, seed }: GuestShape): GuestOptions {
  const memory =
    image === undefined
      ? { bytes: size ?? GUEST_ROWS.size.usual, profile: profile ?? GUEST_ROWS.profile.usual }
      : { path: image };
  return { format, memory, seed };
}

/** The load of the guest's program; undefined for an idle guest. @param mainPages size of main memory in pages */
export function loadOf(options: GuestShape, mainPages: number): GuestLoad | undefined {
  const { pattern, workingSet, dirtyRate, seed } = options;
  if (dirtyRate === 0) return undefined;
  const share = Math.ceil(mainPages / WORKING_SET_SHARE);
  return {
    pattern,
    workingSetPages: workingSet === undefined ? share : Math.ceil(workingSet / PAGE_BYTES),
    // The working set lies in the middle of memory, as programs' memory does. The kernel lies at the beginning.
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
    downtimeLimit: downtimeLimit ?? GUEST_ROWS.downtimeLimit.usual,
    maxRounds: maxRounds ?? GUEST_ROWS.maxRounds.usual,
  };
}
