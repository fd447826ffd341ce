// Time limits that count only while this process runs. A process that was stopped (SIGSTOP, a frozen cgroup, a host in suspend) finds its
// timers due when it continues, although the other side had no chance: what it has sent meanwhile was not even looked at.
// Promises: after a pause the other side has the whole limit again; without one the limit is exceeded by an eighth at most.

/** A limit is counted in so many steps: a pause costs the other side one step at most, and the event loop turns in between. */
const STEPS = 8;
/** A step that ends this much later than it should was interrupted by a pause. */
const PAUSE_MS = 1000;

export interface AwakeTimerOptions {
  /** The timer does not keep the process alive. */
  readonly unref?: boolean;
  /** Milliseconds on a clock that never goes back. */
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

  /** A timer that does not run yet. @param milliseconds more than 0 */
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

  /** Counts from now. Cheap: one system timer serves all the time. */
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

/** The same for a loop that asks again and again whether the time is over. */
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

  /** Milliseconds that are left. Time between two questions counts as a second at most: the rest was a pause. */
  get left(): number {
    const now = this.#now();
    this.#spent += Math.min(now - this.#asked, PAUSE_MS);
    this.#asked = now;
    return this.#milliseconds - this.#spent;
  }
}
