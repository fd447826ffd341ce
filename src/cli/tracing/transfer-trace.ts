// The trace of a command with one transfer. Joins the trace of TRACEPARENT. Loads nothing unless an SDK is registered.

import { packageVersion } from '../../os/version.js';
import type { MigrationTrace, TracedFailure, TracedMigration } from '../../trace/migration-trace.js';
import { openTracing } from '../../trace/open.js';
import type { Tracing } from '../../trace/tracing.js';
import type { Progress, TransferSummary } from '../../transfer/statistics/summary.js';
import { environmentParent } from './environment-parent.js';
import { FLUSH_MS } from './flush.js';

export class TransferTrace {
  readonly #tracing: Tracing;
  readonly #trace: MigrationTrace;

  private constructor(tracing: Tracing, trace: MigrationTrace) {
    this.#tracing = tracing;
    this.#trace = trace;
  }

  static async open(migration: TracedMigration): Promise<TransferTrace | undefined> {
    const tracing = await openTracing(packageVersion());
    if (tracing === undefined) return undefined;
    return new TransferTrace(tracing, tracing.begin(migration, environmentParent(process.env)));
  }

  progress(progress: Progress): void {
    this.#trace.progress(progress);
  }

  succeed(summary: TransferSummary): void {
    this.#trace.succeed(summary);
  }

  fail(error: TracedFailure): void {
    this.#trace.fail(error);
  }

  /** Waits for the exporters. Never rejects. */
  close(): Promise<void> {
    return this.#tracing.flush(FLUSH_MS);
  }
}
