// Reports progress every 250 ms while a transfer runs. The timer does not keep the process alive.

import type { Statistics } from './statistics.js';
import type { Progress } from './summary.js';

const INTERVAL_MS = 250;

/** @returns stops the reports */
export function reportProgress(
  statistics: Statistics,
  onProgress: ((progress: Progress) => void) | undefined,
): () => void {
  if (onProgress === undefined) return () => undefined;
  const timer = setInterval(() => {
    onProgress(statistics.progress());
  }, INTERVAL_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
