// `Signal`: lets code wait until another part of the same thread reports a change. The waiter then checks the state itself.
// A notification without a waiter is lost, so the waiter must check its condition right before it waits.

/** A notification carries no value and wakes all waiters. */
export class Signal {
  #resolve: (() => void) | undefined;
  #promise: Promise<void> | undefined;

  /** Settles at the next `notify()`. Several calls before it share one promise. */
  wait(): Promise<void> {
    this.#promise ??= new Promise<void>((resolve) => (this.#resolve = resolve));
    return this.#promise;
  }

  /** Wakes all waiters. Does nothing when there are none. */
  notify(): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#promise = undefined;
    resolve?.();
  }
}
