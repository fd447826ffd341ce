// The progress line, kept up to date in place on a terminal. Writes to the stream it was given and nowhere else.

import cliProgress from 'cli-progress';
import type { Progress } from '../migration/summary.js';
import { formatProgress } from './progress.js';

/** Redraws the line in place. Does nothing when the stream is no terminal. */
export class ProgressBar {
  readonly #bar: cliProgress.SingleBar;
  #started = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#bar = new cliProgress.SingleBar({
      stream,
      clearOnComplete: true,
      hideCursor: true,
      // Signals are the program's business.
      gracefulExit: false,
      noTTYOutput: false,
      format: (_options, _params, payload: { line: string }) => payload.line,
    });
  }

  update(progress: Progress): void {
    const payload = { line: formatProgress(progress) };
    if (!this.#started) this.#bar.start(1, 0, payload);
    this.#started = true;
    this.#bar.update(0, payload);
  }

  /** Clears the line and gives the cursor back. Safe to call twice, and without an update before. */
  stop(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }
}
