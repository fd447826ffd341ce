// `onAbort`: calls a function when an AbortSignal is aborted, once, also when it is aborted already.
// The caller removes the listener when its operation ends.

/**
 * Calls `act` when the signal is aborted, or at once when it is aborted already.
 * @returns a function that removes the listener; the signal may live longer than the operation
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted === true) act();
  if (signal === undefined || signal.aborted) return () => undefined;
  signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}
