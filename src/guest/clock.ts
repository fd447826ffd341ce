// The simulated guest's clock. The caller injects it, so that tests of pre-copy need not wait.
// Promises milliseconds that never decrease; knows nothing of dates.

export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls back once after `milliseconds`. @returns a function that cancels the call */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};
