// Retries an operation until it succeeds, the time is over, or the caller aborts.

import { setTimeout as sleep } from 'node:timers/promises';
import { AwakeDeadline } from '../os/time/awake-timer.js';
import { abortError } from '../io/system-error.js';

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/**
 * @param milliseconds time limit; 0 = one attempt
 * @param attempt receives the remaining milliseconds (Infinity when `milliseconds` is 0)
 * @param again whether another attempt may succeed after this error
 * @returns the result of the first successful attempt; rejects with the last attempt's error
 */
export async function retryUntil<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  attempt: (left: number) => Promise<T>,
  again: (thrown: unknown) => boolean,
): Promise<T> {
  const deadline = new AwakeDeadline(milliseconds === 0 ? Infinity : milliseconds);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    if (signal?.aborted === true) throw abortError(signal);
    try {
      return await attempt(deadline.left);
    } catch (thrown) {
      const { left } = deadline;
      if (milliseconds === 0 || left <= 0 || !again(thrown)) throw thrown;
      await sleep(Math.min(pause, left), undefined, { signal }).catch(() => undefined);
    }
  }
}
