// Pre-copy as arithmetic: what the guest dirties during a round is the next round, until what is left fits the downtime limit.
// The one prediction for the code that watches rounds, ends them, or advises on them. Pure; each caller measures its rates.

/** QEMU's `downtime-limit`: how long the guest may be paused. */
export const DOWNTIME_LIMIT_MS = 300;
/** Live rounds after which the guest is paused whatever is left. */
export const MAX_ROUNDS = 30;

/** Milliseconds that the guest is paused while so much is sent, at so much a second. */
export function expectedDowntimeMs(left: number, perSecond: number): number {
  return left === 0 ? 0 : (left * 1000) / perSecond;
}

/** Amounts in bytes or pages, rates in the same for one unit of time. */
export interface RoundRates {
  /** What the guest dirties. */
  readonly dirtied: number;
  /** What leaves. */
  readonly carried: number;
  /** How long the guest may be paused. */
  readonly downtimeLimit: number;
  /** A round has no more than this; absent = no limit. */
  readonly largestRound?: number;
  /** Live rounds that may follow; absent = no limit. Without it, rounds must shrink. */
  readonly mostRounds?: number;
}

/** What follows a round. */
export interface FollowingRounds {
  /** Rounds while the guest runs. */
  readonly live: number;
  /** What these and the last round, with the guest paused, take and send. */
  readonly time: number;
  readonly sent: number;
  /** How long the guest is paused. */
  readonly downtime: number;
}

/**
 * The rounds that follow a round. The guest is taken to dirty other pages all the time.
 * @param round what the round at hand sends
 * @returns undefined when a round leaves as much as it began with, or the rounds run out
 */
export function followingRounds(round: number, rates: RoundRates): FollowingRounds | undefined {
  const { dirtied, carried, downtimeLimit, largestRound = Infinity, mostRounds = Infinity } = rates;
  let left = round;
  let time = 0;
  let sent = 0;
  for (let live = 0; live <= mostRounds; live++) {
    const next = Math.min(largestRound, dirtied * (left / carried));
    const takes = next / carried;
    time += takes;
    sent += next;
    // What fits the limit is sent while the guest is paused: then nothing is dirtied any more.
    if (takes <= downtimeLimit) return { live, time, sent, downtime: takes };
    if (next >= left) return undefined;
    left = next;
  }
  return undefined;
}
