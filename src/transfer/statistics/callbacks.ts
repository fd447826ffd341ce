// `guarded`: wraps callbacks of the library's user. When a callback throws or rejects, the process emits a warning and the transfer
// continues.

type Callback<Arguments extends unknown[]> = (...args: Arguments) => unknown;

/** @returns a function that calls `callback` and never throws */
export function guarded<Arguments extends unknown[]>(
  callback: Callback<Arguments>,
): (...args: Arguments) => void {
  return (...args) => {
    try {
      const result = callback(...args);
      if (result instanceof Promise) result.catch(warn);
    } catch (thrown) {
      warn(thrown);
    }
  };
}

function warn(thrown: unknown): void {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  process.emitWarning(`a callback has failed: ${text}`, 'RamferryWarning');
}
