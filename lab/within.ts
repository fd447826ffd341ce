// A deadline for a promise that a test awaits. When a change breaks the test, the error names the missing event within
// seconds, and the run does not hang.

/** Longer than a single wait takes on a machine that runs many other tests. */
export const PATIENCE_MS = 15_000;

/**
 * @param what name of the awaited event, for the error: "the reader's answer"
 * @param letGo called at the deadline, before the rejection; it releases everything that would keep the process alive
 * @throws Error when `promise` has not settled in time
 */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  letGo: () => void = () => undefined,
  milliseconds = PATIENCE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      letGo();
      reject(new Error(`${what} did not come within ${milliseconds / 1000} s`));
    }, milliseconds);
  });
  // letGo() may make `promise` reject. The test reports the deadline instead.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
