// The progress line, redrawn in place on a terminal. Writes only to the terminal that the caller gives.

import cliProgress from 'cli-progress';

/** The output on which the line is drawn. */
export interface Terminal {
  /** Takes text and control codes; never waits. */
  readonly write: (codes: string) => void;
  readonly columns: () => number;
  /** Without a terminal nothing is drawn. */
  readonly isTTY: boolean;
}

/** The parts of a stream that cli-progress uses: writing, and the terminal's width. */
function asStream({ write, columns, isTTY }: Terminal): NodeJS.WritableStream {
  const stream = {
    isTTY,
    get columns() {
      return columns();
    },
    write: (codes: string) => {
      write(codes);
      return true;
    },
  };
  return stream as unknown as NodeJS.WritableStream;
}

/** Redraws the line in place. */
export class ProgressBar {
  readonly #bar: cliProgress.SingleBar;
  #started = false;

  constructor(terminal: Terminal) {
    this.#bar = new cliProgress.SingleBar({
      stream: asStream(terminal),
      clearOnComplete: true,
      hideCursor: true,
      // The program has its own signal handlers.
      gracefulExit: false,
      noTTYOutput: false,
      format: (_options, _params, payload: { line: string }) => payload.line,
    });
  }

  /** @param line without a newline */
  update(line: string): void {
    const payload = { line };
    if (!this.#started) this.#bar.start(1, 0, payload);
    this.#started = true;
    this.#bar.update(0, payload);
  }

  /** Clears the line and shows the cursor again. Safe to call twice, and without an update before. */
  stop(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }
}
