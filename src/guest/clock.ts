// Time as the simulated guest sees it: injected, so that tests of pre-copy need no waiting.
// Promises milliseconds that never go back; knows nothing of dates.

export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls back once after so many milliseconds, unless the function that it returns was called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};
