// Pre-copy as arithmetic: how many rounds a live migration takes while the guest goes on writing, and how long it is paused
// at the end. Pure. The guest is taken to dirty other pages all the time, at most all of its memory in a round.

export interface LiveOptions {
  /** Guest memory in bytes. */
  readonly guestBytes: number;
  /** Bytes of pages that the guest dirties in a second. */
  readonly dirtyRate: number;
  /** Guest bytes per second that arrive. */
  readonly guestRate: number;
  /** Seconds that the guest may be paused. */
  readonly downtimeLimit: number;
  /** Seconds that the transfer takes besides: setting up. */
  readonly startUp: number;
}

export interface LivePrediction {
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

/** Hypervisors give up, or pause the guest by force, long before. */
const MOST_ROUNDS = 100;

export function predictLive(options: LiveOptions): LivePrediction {
  const { guestBytes, dirtyRate, guestRate, downtimeLimit, startUp } = options;
  let left = guestBytes;
  let total = startUp;
  let sent = 0;
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const seconds = left / guestRate;
    total += seconds;
    sent += left;
    // What fits the limit is sent while the guest is paused: then nothing is dirtied any more.
    const next = Math.min(guestBytes, dirtyRate * seconds);
    if (next / guestRate <= downtimeLimit) {
      const downtime = next / guestRate;
      return { converges: true, rounds: round + 1, total: total + downtime, downtime, sent: sent + next };
    }
    // A round that leaves as much as it began with will not be the last.
    if (next >= left) return { converges: false };
    left = next;
  }
  return { converges: false };
}
