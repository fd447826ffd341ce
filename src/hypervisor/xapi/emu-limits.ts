// How long a front waits for whom, in milliseconds: within what xenopsd and emu-manager allow each other.

export const LIMIT = {
  /** emu-manager waits 120 s for the answer to `prepare:`; xenopsd needs a little of that for itself. */
  prepareHold: 110_000,
  /**
   * emu-manager may need 60 s and a SIGKILL to get rid of a xenguest that does not listen. After this time xenopsd hears of
   * our failure although emu-manager is still there; the front waits on.
   */
  stop: 75_000,
  /** An emulator that has gone: so long emu-manager may take to say why. */
  explain: 3_000,
  /** A child of emu-manager may hold the control channel open; what was said before the exit is here by then. */
  lastWords: 300,
  /** How long the last line may take to be taken. */
  lastLine: 1_000,
} as const;

/** @returns after so many milliseconds */
export function sleep<T>(milliseconds: number, value: T): Promise<T> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(value), milliseconds);
  });
}
