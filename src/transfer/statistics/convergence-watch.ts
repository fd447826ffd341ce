// `ConvergenceWatch`: judges the convergence of a running transfer several times a second, for progress and summary. Warns once, when
// several judgements in a row say that the rounds diverge.

import { PAGE_BYTES } from '../../page/size.js';
import { formatDuration, formatRate } from '../../units.js';
import { type Convergence, judge } from './convergence.js';
import { RoundCounter } from './rounds.js';

/** Diverging judgements in a row before the warning. A single one may be due to a short stall of the link. */
const JUDGEMENTS_BEFORE_WARNING = 2;

export interface ConvergenceWatchOptions {
  /** Milliseconds for which the guest may be paused. */
  readonly downtimeLimit: number;
  /** A running guest writes the stream, so the time of a round shows the dirty rate. */
  readonly live: boolean;
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Milliseconds on a monotonic clock. */
  readonly now?: (() => number) | undefined;
}

export class ConvergenceWatch {
  readonly rounds: RoundCounter;
  readonly #options: ConvergenceWatchOptions;
  #diverging = 0;
  #warned = false;
  #final: Convergence | undefined;

  constructor(options: ConvergenceWatchOptions) {
    this.#options = options;
    this.rounds = new RoundCounter(options.now);
  }

  /** @returns the current judgement; undefined where none is possible */
  look(): Convergence | undefined {
    if (!this.#options.live) return undefined;
    const view = this.rounds.view();
    if (this.#final !== undefined || view === undefined) return this.#final;
    const convergence = judge(view, this.#options.downtimeLimit);
    this.#diverging = convergence.state === 'diverging' ? this.#diverging + 1 : 0;
    if (this.#diverging === JUDGEMENTS_BEFORE_WARNING && !this.#warned) this.#warn(convergence);
    return convergence;
  }

  /** Call when the last page has been sent: the judgement is final. */
  end(): void {
    const view = this.rounds.view();
    if (!this.#options.live || view === undefined) return;
    const last = judge({ ...view, complete: true }, this.#options.downtimeLimit);
    const dirty = last.dirtyPagesRate;
    // The final judgement holds only measurements, no predictions.
    this.#final = {
      dirtySyncCount: last.dirtySyncCount,
      ...(dirty === undefined ? {} : { dirtyPagesRate: dirty }),
      carriedPagesRate: last.carriedPagesRate,
      state: last.state,
    };
  }

  #warn(convergence: Convergence): void {
    this.#warned = true;
    const { dirtyPagesRate: dirty = 0, carriedPagesRate: carried } = convergence;
    const rate = (pages: number): string => `${pages} pages/s (${formatRate(pages * PAGE_BYTES)})`;
    this.#options.onWarning?.(
      `the migration does not converge: in round ${convergence.dirtySyncCount} the guest dirties at least ` +
        `${rate(dirty)} and the link carries ${rate(carried)}, so further rounds do not get smaller; pausing the guest ` +
        `would take about ${formatDuration(convergence.expectedDowntime ?? 0)} (downtime-limit ` +
        `${formatDuration(this.#options.downtimeLimit)}): allow that, slow the guest down, or compress harder`,
    );
  }
}
