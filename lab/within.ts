// A deadline for what a test waits for. A change that breaks it is told within seconds what did not come, and the run does not
// hang.

/** Longer than a machine that runs many other tests needs for a single wait. */
export const PATIENCE_MS = 15_000;

/**
 * @param what is waited for, as in "the reader's answer"
 * @param letGo is called when it did not come, before the rejection: ends whatever would keep the process alive
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
  // What letting go makes fail is not what the test has to report.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
