// Heeding an AbortSignal: at once when it has come already, once when it comes, and no longer than it is wanted.
// Knows nothing of what is aborted.

/**
 * Calls `act` when the signal comes, or at once when it is there.
 * @returns forgets about the signal, which may outlive its listener
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted === true) act();
  if (signal === undefined || signal.aborted) return () => undefined;
  signal.addEventListener('abort', act, { once: true });
  return () => signal.removeEventListener('abort', act);
}
