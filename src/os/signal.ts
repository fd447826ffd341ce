// `Signal`: code that waits until another part of the same thread says that something changed. The waiter then looks at the state
// itself. A notification without a waiter is not remembered, so the waiter checks its condition right before it waits.

/** A notification carries no value and wakes all that wait. */
export class Signal {
  #resolve: (() => void) | undefined;
  #promise: Promise<void> | undefined;

  /** Settles at the next `notify()`. Several calls before it share one promise. */
  wait(): Promise<void> {
    this.#promise ??= new Promise<void>((resolve) => (this.#resolve = resolve));
    return this.#promise;
  }

  /** Wakes the waiters. Does nothing where none waits. */
  notify(): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#promise = undefined;
    resolve?.();
  }
}
