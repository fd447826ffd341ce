// One system call at a time on a thread of libuv's pool, that its caller may stop waiting for.
// Such a call cannot be called back: giving up rejects the caller at once, and what the call uses (its descriptor)
// is given back only when the thread has returned.

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

  /** Why nothing more will be done; the first reason stays. */
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
      // What is running ends before its caller hears of it: he may begin the next call at once.
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

  /** Fails with `reason` and gives back what the calls use: now, or as soon as the call under way has returned. */
  close(reason: RamferryError, giveBack: () => void): void {
    this.#forget();
    this.fail(reason);
    if (this.#running) this.#whenIdle ??= giveBack;
    else giveBack();
  }
}
