// Shared by the commands of the simulated guest: signals, the destination of reports, the exit status.

import { EXIT } from '../../errors.js';
import { listeningLine, warningLine } from '../../report/json.js';
import type { ParsedArguments } from '../command.js';
import { visible } from '../../report/visible.js';
import { toStderr, toStdout, warnOnStderr } from '../output/output.js';
import { handleSignals, reasonOf } from '../process/signals.js';

export interface GuestReporter {
  readonly signal: AbortSignal;
  /** Prints progress. Omitted with --quiet. */
  progress(text: () => string, json: () => object): void;
  /** Prints the result. JSON is printed with --quiet, too. */
  result(text: () => string, json: () => object): void;
  readonly onListening: (address: string) => void;
  readonly onWarning: (message: string) => void;
}

/** @param stdoutTaken whether stdout is the link; then JSON goes to stderr */
export async function runGuest(
  parsed: ParsedArguments,
  stdoutTaken: boolean,
  work: (reporter: GuestReporter) => Promise<void>,
): Promise<number> {
  const json = parsed['json'] === true;
  const quiet = parsed['quiet'] === true;
  const lines = stdoutTaken ? toStderr : toStdout;
  const print = (text: () => string, data: () => object): void =>
    json ? lines(JSON.stringify(data())) : toStderr(text());
  const signals = handleSignals(() => undefined);
  try {
    await work({
      signal: signals.signal,
      progress: (text, data) => {
        if (!quiet) print(text, data);
      },
      result: (text, data) => {
        if (!quiet || json) print(text, data);
      },
      onListening: (address) => {
        if (json) lines(listeningLine(address));
        else if (!quiet) toStderr(`ramferry: listening on ${visible(address)}`);
      },
      onWarning: (message) => {
        if (json) lines(warningLine(message));
        else warnOnStderr(message);
      },
    });
    return EXIT.success;
  } catch (thrown) {
    throw await reasonOf(thrown, signals.signal);
  } finally {
    signals.dispose();
  }
}
