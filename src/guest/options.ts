// The door of the simulated guest's three commands: options checked and completed by the table (src/options/rows/guest.ts), and what they
// mean for a guest. Throws ERR_OPTION_INVALID with the option's name. Opens nothing.

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

/** The random writer of QEMU's document does not say how large its areas are or how often it writes. */
const WORKING_SET_SHARE = 4;

true satisfies Exact<GivenFor<'guest source'>, SourceOptions>;
true satisfies Exact<GivenFor<'guest destination'>, DestinationOptions>;
true satisfies Exact<GivenFor<'guest compare'>, CompareOptions>;

export type ResolvedSourceOptions = ValuesFor<'guest source'>;
export type ResolvedDestinationOptions = ValuesFor<'guest destination'>;
export type ResolvedCompareOptions = ValuesFor<'guest compare'>;

/** @throws RamferryError ERR_OPTION_INVALID, as do the two below */
export function resolveSourceOptions(options: SourceOptions): ResolvedSourceOptions {
  return resolveOptions('guest source', [], options);
}

export function resolveDestinationOptions(options: DestinationOptions): ResolvedDestinationOptions {
  return resolveOptions('guest destination', [], options);
}

export function resolveCompareOptions(options: CompareOptions): ResolvedCompareOptions {
  return resolveOptions('guest compare', [], options);
}

/** The guest and what it does, however it is moved. */
type GuestShape = Omit<ResolvedSourceOptions, 'output' | 'maxBandwidth' | keyof LinkOptions>;

/** The guest that these options describe. */
export function guestOf({ format, image, size, profile, seed }: GuestShape): GuestOptions {
  const memory =
    image === undefined
      ? { bytes: size ?? GUEST_ROWS.size.usual, profile: profile ?? GUEST_ROWS.profile.usual }
      : { path: image };
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
    downtimeLimit: downtimeLimit ?? GUEST_ROWS.downtimeLimit.usual,
    maxRounds: maxRounds ?? GUEST_ROWS.maxRounds.usual,
  };
}
