// The traces of `ramferry serve`: a span for each guest, with its place in line. Loads nothing unless an SDK is registered.

import type { RamferryError } from '../../errors.js';
import { packageVersion } from '../../os/version.js';
import type { Ended } from '../../serve/outcomes.js';
import type { RunningTransfer } from '../../serve/server.js';
import type { MigrationTrace } from '../../trace/migration-trace.js';
import { openTracing } from '../../trace/open.js';
import type { Tracing } from '../../trace/tracing.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';
import { sideOf } from '../metrics/sample.js';
import { environmentParent } from './environment-parent.js';
import { FLUSH_MS } from './flush.js';

/** Milliseconds between two looks at the running transfers, as between two progress reports. */
const INTERVAL_MS = 250;

type Named = Pick<Ended, 'id' | 'name' | 'direction'>;

export class ServedTraces {
  readonly #tracing: Tracing;
  /** Of transfers that wait or run, by their number. */
  readonly #traces = new Map<number, MigrationTrace>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  static async open(): Promise<ServedTraces | undefined> {
    const tracing = await openTracing(packageVersion());
    return tracing && new ServedTraces(tracing);
  }

  /** Follows the transfers that wait or run until `close`. */
  follow(running: () => readonly RunningTransfer[]): void {
    this.#timer = setInterval(() => this.look(running()), INTERVAL_MS);
    this.#timer.unref();
  }

  look(running: readonly RunningTransfer[]): void {
    for (const transfer of running) {
      this.#traceOf(transfer, transfer.progress.elapsed).progress(transfer.progress);
    }
  }

  ended(ended: Ended, outcome: TransferSummary | RamferryError): void {
    const trace = this.#traceOf(ended, ended.duration);
    this.#traces.delete(ended.id);
    if ('code' in outcome) trace.fail(outcome);
    else trace.succeed(outcome);
  }

  /** Waits for the exporters. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#tracing.flush(FLUSH_MS);
  }

  /** @param elapsed milliseconds since the transfer began */
  #traceOf({ id, name, direction }: Named, elapsed: number): MigrationTrace {
    let trace = this.#traces.get(id);
    if (trace === undefined) {
      const side = sideOf(direction);
      const parent = environmentParent(process.env);
      trace = this.#tracing.begin({ command: 'serve', side, migration: name }, parent, Date.now() - elapsed);
      this.#traces.set(id, trace);
    }
    return trace;
  }
}
