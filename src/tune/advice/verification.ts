// What `--verify` found, as plain data: transfers that were predicted and then run. Seconds, bytes, bytes per second.

import type { Placement } from './placement.js';
import type { Settings } from './recommend.js';

/** Why a setting was run. */
export type VerifiedRole = 'recommended' | 'neighbour' | 'no compression';

export interface VerifiedRun {
  readonly role: VerifiedRole;
  readonly settings: Settings;
  readonly predicted: number;
  /** Median of the runs. */
  readonly measured: number;
  readonly runs: readonly number[];
}

export interface Verification {
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
