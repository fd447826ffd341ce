// `withDeadline`: waits for a promise with a time limit. The timer ends with the wait, so it does not keep a finished process alive. It
// counts only while this process runs (awake-timer.ts). The operation behind the promise continues: the caller must cancel it.

import { AwakeTimer } from './awake-timer.js';

/**
 * @param milliseconds more than 0
 * @param onLate gives the result when the time is over; an error that it throws is the result
 * @returns the result of `promise`, or of `onLate` when the time is over first
 * @throws the error of `promise`, or of `onLate`
 */
export async function withDeadline<T, L = undefined>(
  promise: Promise<T>,
  milliseconds: number,
  onLate: () => L | Promise<L>,
): Promise<T | L> {
  let timer: AwakeTimer | undefined;
  const late = new Promise<L>((resolve, reject) => {
    timer = AwakeTimer.start(milliseconds, () => {
      // Called in a promise, because an error inside a timer would end the process.
      Promise.resolve().then(onLate).then(resolve, reject);
    });
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer?.cancel();
  }
}
