// Whether pre-copy converges: compares the dirty rate of the guest with the rate at which the link carries pages, and predicts rounds,
// time and downtime. Pure; takes what RoundCounter has seen.
//
// The pages of a round were dirtied during the round before. While a round goes on, its size is estimated by comparison with the round
// before at the same place in memory. The first round sends everything and says nothing about the second. So there is no verdict before
// the third round, unless the second is already as large as the first.

import { expectedDowntimeMs, followingRounds } from '../../model/precopy.js';
import type { RoundsView } from './rounds.js';

/** Whether pre-copy comes to an end, and when. */
export interface Convergence {
  /** Rounds so far; 1 during the first. As QEMU's, counted when it begins. */
  readonly dirtySyncCount: number;
  /** Pages that the guest dirties per second; while its second round goes on, at least so many. */
  readonly dirtyPagesRate?: number;
  /** Pages with contents that are carried per second: effective bandwidth, compression included. */
  readonly carriedPagesRate: number;
  /** Milliseconds that the last round would take if the guest were paused after the one at hand. */
  readonly expectedDowntime?: number;
  /** Live rounds after the one at hand, until a pause stays within the downtime limit. Absent when it never will. */
  readonly expectedRounds?: number;
  /** Milliseconds until the guest would have arrived, likewise. */
  readonly expectedTime?: number;
  /** `converging` when the rounds become short enough for the downtime limit. */
  readonly state:
    | 'unknown'
    | 'converging'
    /** Rounds do not become smaller: the guest dirties pages as fast as the link carries them, or faster. */
    | 'diverging';
}

/** Rounds of more than this share of the round before do not converge. */
const MAX_SHRINK_RATIO = 0.95;
/** How long a round must have lasted for its own rate to count alone. */
const RATE_MS = 500;
/** A shorter time gives no rate. */
const SHORTEST_MS = 1;
/** Share of the round before that must have been repeated, and pages, before the two are compared. */
const COMPARABLE = 0.1;
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
  // All that is known of a second round is that it has at least the pages that have come.
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
  if (previous === undefined || current.milliseconds >= RATE_MS)
    return rate(current.pages, current.milliseconds);
  return rate(current.pages + previous.pages, current.milliseconds + previous.milliseconds);
}

function rate(pages: number, milliseconds: number): number {
  return milliseconds >= SHORTEST_MS ? pages / milliseconds : 0;
}

/** How many pages the round at hand will have in all. */
function expectedPages(view: RoundsView): number {
  const { current, previous, beforePrevious, previousUpToHere } = view;
  if (view.complete || previous === undefined || beforePrevious === undefined) return current.pages;
  const comparable = Math.max(COMPARABLE_PAGES, previous.pages * COMPARABLE);
  if (previousUpToHere >= comparable) {
    return Math.max(current.pages, (current.pages / previousUpToHere) * previous.pages);
  }
  // As fast as in the round before: what it had was dirtied during the one before it.
  return Math.max(current.pages, rate(previous.pages, beforePrevious.milliseconds) * previous.milliseconds);
}
