// `OperationGuard`: runs one system call at a time on a thread of libuv's pool, and lets its caller stop waiting.
// A running system call cannot be cancelled. `fail` and `close` reject the caller at once, but the call's resources (its descriptor) are
// released only when the thread has returned.

import { RamferryError } from '../errors.js';
import { onAbort } from './abort-signal.js';
import { abortError, asError } from './system-error.js';

export class OperationGuard {
  #failure: RamferryError | undefined;
  #reject: ((reason: RamferryError) => void) | undefined;
  #running = false;
  #whenIdle: (() => void) | undefined;
  readonly #forget: () => void;

  constructor(signal?: AbortSignal) {
    this.#forget = onAbort(signal, () => this.fail(abortError(signal!)));
  }

  /** Why all further calls fail: the first reason that was given. */
  get failure(): RamferryError | undefined {
    return this.#failure;
  }

  run<T>(start: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#running) {
      return Promise.reject(new RamferryError('ERR_INTERNAL', 'a second call while one is under way'));
    }
    this.#running = true;
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      // The guard is free before the caller gets the result, because the caller may start the next call at once.
      start().then(
        (value) => {
          this.#end();
          resolve(value);
        },
        (thrown: unknown) => {
          this.#end();
          reject(asError(thrown));
        },
      );
    });
  }

  #end(): void {
    this.#running = false;
    this.#reject = undefined;
    const idle = this.#whenIdle;
    this.#whenIdle = undefined;
    idle?.();
  }

  fail(reason: RamferryError): void {
    this.#failure ??= reason;
    this.#reject?.(this.#failure);
  }

  /** Fails with `reason`, and calls `release` now or as soon as the running call has returned. */
  close(reason: RamferryError, release: () => void): void {
    this.#forget();
    this.fail(reason);
    if (this.#running) this.#whenIdle ??= release;
    else release();
  }
}
