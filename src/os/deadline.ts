// `withDeadline`: waits for a promise, but not for ever. The timer ends with the wait, so it never keeps a finished process alive,
// and it counts only while this process runs (awake-timer.ts). The promise itself goes on: the caller cancels what it stands for.

import { AwakeTimer } from './awake-timer.js';

/**
 * @param milliseconds more than 0
 * @param onLate gives the result when the time is over; what it throws rejects
 * @returns what `promise` gives, or what `onLate` gives where that comes first
 * @throws what `promise` rejects with, or what `onLate` throws
 */
export async function withDeadline<T, L = undefined>(
  promise: Promise<T>,
  milliseconds: number,
  onLate: () => L | Promise<L>,
): Promise<T | L> {
  let timer: AwakeTimer | undefined;
  const late = new Promise<L>((resolve, reject) => {
    timer = AwakeTimer.start(milliseconds, () => {
      // A throw inside a timer would end the process.
      Promise.resolve().then(onLate).then(resolve, reject);
    });
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.cancel();
  }
}
