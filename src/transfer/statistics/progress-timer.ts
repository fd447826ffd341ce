// Calls back a few times a second while a transfer runs. Does not keep the process alive.

import type { Statistics } from './statistics.js';
import type { Progress } from './summary.js';

const INTERVAL_MS = 250;

/** @returns how to stop it */
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
