// The span of a command that carries no guest: inspect, bench, tune, features, status, and those of the simulated guest. Joins the trace
// of TRACEPARENT. Loads nothing unless an SDK is registered.

import { toRamferryError } from '../../errors.js';
import { packageVersion } from '../../os/version.js';
import { openTracing } from '../../trace/open.js';
import { environmentParent } from './environment-parent.js';
import { FLUSH_MS } from './flush.js';

/** Commands whose transfers have spans of their own. */
const WITH_TRANSFERS: ReadonlySet<string> = new Set([
  'send',
  'receive',
  'migrate',
  'incoming',
  'qemu-migrate',
  'serve',
  'emu-manager',
]);

/** Runs the command, and rejects as it does. @param command its words: `guest source` */
export async function traceCommand(command: string, run: () => Promise<number>): Promise<number> {
  const tracing = WITH_TRANSFERS.has(command) ? undefined : await openTracing(packageVersion());
  if (tracing === undefined) return run();
  const span = tracing.command(command, environmentParent(process.env));
  try {
    const status = await run();
    span.end({ 'ramferry.exit_status': status });
    return status;
  } catch (thrown) {
    const { code, exitCode } = toRamferryError(thrown);
    span.end({ 'ramferry.exit_status': exitCode }, code);
    throw thrown;
  } finally {
    await tracing.flush(FLUSH_MS);
  }
}
