// What `--verify` found, as plain data: transfers that were predicted and then run. Seconds, bytes, bytes per second.

import type { Placement } from './placement.js';
import type { Settings } from './recommend.js';

/** Why a setting was run. */
export type VerifiedRole = 'recommended' | 'neighbour' | 'no compression';

/** One setting that was predicted and run. */
export interface VerifiedRun {
  /** Why it was run. */
  readonly role: VerifiedRole;
  /** Coding and threads. */
  readonly settings: Settings;
  /** Seconds that were expected. */
  readonly predicted: number;
  /** Median of the runs. */
  readonly measured: number;
  /** Seconds of each run. */
  readonly runs: readonly number[];
}

/** Transfers that were run for real. */
export interface Verification {
  /** Which CPUs the two sides had. */
  readonly placement: Placement;
  /** Size of the image that was sent: the sample, each region repeated by its weight. */
  readonly bytes: number;
  /** Payload that the link was limited to; absent where it was not. */
  readonly linkRate?: number;
  /** The recommended settings first. */
  readonly runs: readonly VerifiedRun[];
  /** Milliseconds that all this took. */
  readonly took: number;
}

/** By how much the prediction was off, as a share of what was measured. */
export function differenceOf({ predicted, measured }: Pick<VerifiedRun, 'predicted' | 'measured'>): number {
  return predicted / measured - 1;
}
