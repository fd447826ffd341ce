// `ramferry receive --probe`: options in, the measurements for the other side and the exit status out.

import { EXIT } from '../../errors.js';
import { type ReceiveOptions, resolveReceiveOptions } from '../../options/transfer.js';
import { formatServed, servedLine } from '../../report/served.js';
import { serveProbe } from '../../tune/probe/server.js';
import type { ParsedArguments } from '../command.js';
import { toStderr, toStdout } from '../output/output.js';
import { createReporter } from '../output/reporter.js';
import { handleSignals, reasonOf } from '../process/signals.js';

/** Resolves with the exit status; rejects with the error of the probe. */
export async function runProbe(parsed: ParsedArguments, options: ReceiveOptions): Promise<number> {
  const { input, connectTimeout, ioTimeout, force, zstdBinding } = resolveReceiveOptions(options);
  const json = parsed['json'] === true;
  const quiet = parsed['quiet'] === true;
  const reporter = await createReporter({ json, quiet, verbose: false, stdoutTaken: false });
  const signals = handleSignals(() => undefined);
  try {
    const served = await serveProbe({
      input: input as string,
      connectTimeout,
      ioTimeout,
      force,
      zstdBinding,
      signal: signals.signal,
      onListening: (address) => reporter.listening(address),
      onWarning: (message) => reporter.warning(message),
    });
    if (json) toStdout(servedLine(served));
    else if (!quiet) toStderr(formatServed(served));
    return EXIT.success;
  } catch (thrown) {
    throw await reasonOf(thrown, signals.signal);
  } finally {
    reporter.end();
    signals.dispose();
  }
}
