// What the user is told of all connections of a transfer together, on either side.

import type { Statistics } from '../transfer/statistics/statistics.js';
import type { Progress } from '../transfer/statistics/summary.js';
import { foldProgress } from './fold.js';

const PROGRESS_MS = 250;

/** Options of one connection: its transfer reports nothing of its own. */
export const ONE_OF_SEVERAL = {
  hypervisorConnections: 1,
  onProgress: undefined,
  onListening: undefined,
} as const;

/**
 * Reports the progress of all connections while they run.
 * @param statistics those of each connection, the first one first; none before the first
 * @returns ends the reports
 */
export function reportAll(
  onProgress: ((progress: Progress) => void) | undefined,
  statistics: () => Iterable<Statistics>,
): () => void {
  if (onProgress === undefined) return () => undefined;
  const timer = setInterval(() => {
    const all = [...statistics()];
    if (all.length > 0) onProgress(foldProgress(all.map((each) => each.progress())));
  }, PROGRESS_MS);
  timer.unref();
  return () => clearInterval(timer);
}
