// `ramferry receive --probe`: options in, what was measured for the other side out, exit status.

import { EXIT } from '../../errors.js';
import { type ReceiveOptions, resolveReceiveOptions } from '../../options/transfer.js';
import { formatServed, servedLine } from '../../report/served.js';
import { serveProbe } from '../../tune/probe/server.js';
import type { ParsedArguments } from '../command.js';
import { toStderr, toStdout } from '../output.js';
import { createReporter } from '../reporter.js';
import { handleSignals, reasonOf } from '../signals.js';

/** Resolves with the exit status; rejects with what failed. */
export async function runProbe(parsed: ParsedArguments, options: ReceiveOptions): Promise<number> {
  const { input, connectTimeout, ioTimeout, force, zstdBinding } = resolveReceiveOptions(options);
  const json = parsed['json'] === true;
  const quiet = parsed['quiet'] === true;
  const reporter = await createReporter({ json, quiet, stdoutTaken: false });
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
