// How long a live migration takes while the guest goes on writing, and how long it is paused at the end. Pure; the arithmetic of the
// rounds is src/model/precopy.ts.

import { followingRounds } from '../../model/precopy.js';

export interface LiveOptions {
  /** Guest memory in bytes. */
  readonly guestBytes: number;
  /** Bytes of pages that the guest dirties in a second, at most all of its memory in a round. */
  readonly dirtyRate: number;
  /** Guest bytes per second that arrive. */
  readonly guestRate: number;
  /** Seconds that the guest may be paused. */
  readonly downtimeLimit: number;
  /** Seconds that the transfer takes besides: setting up. */
  readonly startUp: number;
}

/** What pre-copy of a running guest comes to. */
export interface LivePrediction {
  /** It comes to an end within the downtime limit. */
  readonly converges: boolean;
  /** Passes over memory, the one while the guest is paused among them; absent where it never comes. */
  readonly rounds?: number;
  /** Seconds until the guest runs at the destination. */
  readonly total?: number;
  /** Seconds that the guest is paused. */
  readonly downtime?: number;
  /** Guest bytes in all rounds. */
  readonly sent?: number;
}

/** Live rounds, the first one included. Hypervisors give up, or pause the guest by force, long before. */
const MOST_ROUNDS = 100;

export function predictLive(options: LiveOptions): LivePrediction {
  const { guestBytes, dirtyRate, guestRate, downtimeLimit, startUp } = options;
  const following = followingRounds(guestBytes, {
    dirtied: dirtyRate,
    carried: guestRate,
    downtimeLimit,
    largestRound: guestBytes,
    mostRounds: MOST_ROUNDS - 1,
  });
  if (following === undefined) return { converges: false };
  const { live, time, downtime, sent } = following;
  return {
    converges: true,
    // The first round, and the one while the guest is paused.
    rounds: live + 2,
    total: startUp + guestBytes / guestRate + time,
    downtime,
    sent: guestBytes + sent,
  };
}
