// A change of candidate as it is reported: when, from what, to what, and why. Pure.

import type { Prediction } from './prediction.js';

/** A change of candidate, and why. */
export interface Switch {
  /** Milliseconds since the start. */
  readonly time: number;
  /** Coding before: codec and level. */
  readonly from: string;
  /** Coding after. */
  readonly to: string;
  /** For people. */
  readonly reason: string;
  /** Bytes per second that the link carries; absent while it has never limited. */
  readonly linkRate?: number;
  /** Bytes of guest memory per second that were expected without the change. */
  readonly expectedBefore: number;
  /** Bytes of guest memory per second that were expected with it. */
  readonly expectedAfter: number;
}

/**
 * Why one prediction is preferred to another.
 * @param measured whether the link's rate was measured
 */
export function reasonOf(here: Prediction, there: Prediction, measured: boolean): string {
  if (here.bottleneck === 'link') return 'the link limits, and a smaller stream is faster';
  if (there.bottleneck === 'link') return 'the processors limit, and the link has room';
  return measured
    ? 'the processors limit, and this is less work'
    : 'the processors limit, and the link has not limited yet';
}
