// Time limits that count only while this process runs. When a stopped process continues (SIGSTOP, a frozen cgroup, a suspended host),
// ordinary timers are due at once, before the process has read what the peer sent during the pause.
// Promises: after a pause the peer has the whole limit again. Without a pause the limit is exceeded by an eighth at most.

/** A limit is counted in so many steps. The event loop runs between them, and a pause is detected at the end of its step. */
const STEPS = 8;
/** A pause interrupted a step that ends this much later than due. */
const PAUSE_MS = 1000;

export interface AwakeTimerOptions {
  /** The timer does not keep the process alive. */
  readonly unref?: boolean;
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number;
}

export class AwakeTimer {
  readonly #step: number;
  readonly #onDue: () => void;
  readonly #unref: boolean;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #left = 0;
  #began = 0;

  /** Makes a timer that does not run yet. @param milliseconds more than 0 */
  constructor(
    milliseconds: number,
    onDue: () => void,
    { unref = false, now = () => performance.now() }: AwakeTimerOptions = {},
  ) {
    this.#step = Math.ceil(milliseconds / STEPS);
    this.#onDue = onDue;
    this.#unref = unref;
    this.#now = now;
  }

  static start(milliseconds: number, onDue: () => void): AwakeTimer {
    const timer = new AwakeTimer(milliseconds, onDue);
    timer.restart();
    return timer;
  }

  /** Starts the limit from now. Cheap: all restarts use one system timer. */
  restart(): void {
    this.#left = STEPS;
    this.#next();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    this.#began = this.#now();
    if (this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => this.#ended(), this.#step);
    if (this.#unref) this.#timer.unref();
  }

  #ended(): void {
    const paused = this.#now() - this.#began > this.#step + PAUSE_MS;
    this.#left = paused ? STEPS : this.#left - 1;
    if (this.#left > 0) this.#next();
    else this.#onDue();
  }
}

/** A time limit for a loop that polls it. */
export class AwakeDeadline {
  readonly #milliseconds: number;
  readonly #now: () => number;
  #spent = 0;
  #asked: number;

  constructor(milliseconds: number, now: () => number = () => performance.now()) {
    this.#milliseconds = milliseconds;
    this.#now = now;
    this.#asked = now();
  }

  /** Milliseconds left. The time between two calls counts as one second at most; the remainder was a pause. */
  get left(): number {
    const now = this.#now();
    this.#spent += Math.min(now - this.#asked, PAUSE_MS);
    this.#asked = now;
    return this.#milliseconds - this.#spent;
  }
}
