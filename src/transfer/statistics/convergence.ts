// Judges whether pre-copy converges. Compares the guest's dirty rate with the rate at which the link carries pages, and predicts rounds,
// time and downtime. Takes the view of RoundCounter. Pure.
//
// The pages of a round were dirtied during the round before. The size of a running round is estimated by comparison with the round
// before, at the same position in memory. The first round sends all memory and says nothing about the second. So no judgement is
// possible before the third round, unless the second is already as large as the first.

import { expectedDowntimeMs, followingRounds } from '../../model/precopy.js';
import type { RoundsView } from './rounds.js';

/** Whether pre-copy converges, and when it ends. */
export interface Convergence {
  /** Rounds that have begun; 1 during the first, as in QEMU. */
  readonly dirtySyncCount: number;
  /** Pages that the guest dirties per second. A lower bound during the second round. */
  readonly dirtyPagesRate?: number;
  /** Pages with contents that the link carries per second: the effective bandwidth, compression included. */
  readonly carriedPagesRate: number;
  /** Milliseconds that the last round would take if the guest were paused after the current round. */
  readonly expectedDowntime?: number;
  /** Live rounds after the current one until a pause stays within the downtime limit. Absent when it never will. */
  readonly expectedRounds?: number;
  /** Milliseconds until the guest has arrived, by the same prediction. Absent when it never will. */
  readonly expectedTime?: number;
  /** `converging` when the rounds become short enough for the downtime limit. */
  readonly state:
    | 'unknown'
    | 'converging'
    /** Rounds do not become smaller: the guest dirties pages as fast as the link carries them, or faster. */
    | 'diverging';
}

/** Rounds that are larger than this share of the round before do not converge. */
const MAX_SHRINK_RATIO = 0.95;
/** From this age on, the rate of the current round is used alone. Before, it is averaged with the round before. */
const OWN_RATE_MS = 500;
/** From a shorter time no rate is computed. */
const SHORTEST_MS = 1;
/** Two rounds are compared once the current one has passed this share of the round before, but at least COMPARABLE_PAGES of it. */
const COMPARABLE_SHARE = 0.1;
const COMPARABLE_PAGES = 1024;

/** @param downtimeLimit milliseconds for which the guest may be paused, more than 0 */
export function judge(view: RoundsView, downtimeLimit: number): Convergence {
  const { count, current, previous } = view;
  const carried = carriedRate(view);
  const known = { dirtySyncCount: count, carriedPagesRate: Math.round(carried * 1000) };
  if (previous === undefined || previous.milliseconds < SHORTEST_MS || carried <= 0)
    return { ...known, state: 'unknown' };
  const pages = expectedPages(view);
  const dirty = pages / previous.milliseconds;
  const shrink = dirty / carried;
  const rates = { ...known, dirtyPagesRate: Math.round(dirty * 1000) };
  // The number of pages seen is only a lower bound for the size of a running second round.
  if (count === 2 && !view.complete && shrink < MAX_SHRINK_RATIO) return { ...rates, state: 'unknown' };

  const downtime = expectedDowntimeMs(shrink * pages, carried * 1000);
  const expected = { ...rates, expectedDowntime: Math.round(downtime) };
  const following =
    downtime > downtimeLimit && shrink >= MAX_SHRINK_RATIO
      ? undefined
      : followingRounds(pages, { dirtied: dirty, carried, downtimeLimit });
  if (following === undefined) return { ...expected, state: 'diverging' };
  const time = Math.max(0, pages - current.pages) / carried + following.time;
  return {
    ...expected,
    expectedRounds: following.live,
    expectedTime: Math.round(time),
    state: 'converging',
  };
}

/** Pages per millisecond. */
function carriedRate({ current, previous }: RoundsView): number {
  if (previous === undefined || current.milliseconds >= OWN_RATE_MS)
    return rate(current.pages, current.milliseconds);
  return rate(current.pages + previous.pages, current.milliseconds + previous.milliseconds);
}

function rate(pages: number, milliseconds: number): number {
  return milliseconds >= SHORTEST_MS ? pages / milliseconds : 0;
}

/** Estimates how many pages the current round will have in all. */
function expectedPages(view: RoundsView): number {
  const { current, previous, beforePrevious, previousUpToHere } = view;
  if (view.complete || previous === undefined || beforePrevious === undefined) return current.pages;
  const comparable = Math.max(COMPARABLE_PAGES, previous.pages * COMPARABLE_SHARE);
  if (previousUpToHere >= comparable) {
    return Math.max(current.pages, (current.pages / previousUpToHere) * previous.pages);
  }
  // Assumes the dirty rate of the round before: its pages were dirtied during the round before it.
  return Math.max(current.pages, rate(previous.pages, beforePrevious.milliseconds) * previous.milliseconds);
}
