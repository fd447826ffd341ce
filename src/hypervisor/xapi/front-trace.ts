// The span of a front in the trace that xenopsd passes on (-traceparent, -tracestate), or else in that of the environment.

import { EXIT, type RamferryError } from '../../errors.js';
import { packageVersion } from '../../os/version.js';
import type { TraceParent } from '../../trace/context.js';
import type { MigrationTrace } from '../../trace/migration-trace.js';
import { openTracing } from '../../trace/open.js';
import type { Tracing } from '../../trace/tracing.js';
import { reportProgress } from '../../transfer/statistics/progress-timer.js';
import type { Carrier } from './carrier.js';
import type { EmuRequest } from './emu-arguments.js';
import type { FrontObserver } from './front-observer.js';

/** Longest wait for the trace's exporters, in milliseconds: xenopsd waits for this process to exit. */
const FLUSH_MS = 200;
/** An exit status of ramferry's that means no more than a failure. */
const FAILED = 1;

export class FrontTrace implements FrontObserver {
  readonly #tracing: Tracing;
  readonly #trace: MigrationTrace;
  #carrier: Carrier | undefined;
  #failure: RamferryError | undefined;
  #stop: () => void = () => undefined;

  private constructor(tracing: Tracing, trace: MigrationTrace) {
    this.#tracing = tracing;
    this.#trace = trace;
  }

  /** @param inherited where xenopsd names no trace */
  static async open(
    { saving, mode, domid, traceparent, tracestate }: EmuRequest,
    inherited: TraceParent | undefined,
  ): Promise<FrontTrace | undefined> {
    const tracing = await openTracing(packageVersion());
    if (tracing === undefined) return undefined;
    const own = { traceparent, tracestate };
    const trace = tracing.begin(
      {
        command: 'emu-manager',
        side: saving ? 'source' : 'destination',
        more: {
          'ramferry.xapi.mode': mode,
          ...(domid === undefined ? {} : { 'ramferry.xapi.domid': domid }),
        },
      },
      traceparent === undefined ? (inherited ?? own) : own,
    );
    return new FrontTrace(tracing, trace);
  }

  follow(carrier: Carrier): void {
    this.#carrier = carrier;
    this.#stop = reportProgress(carrier.statistics, (progress) => this.#trace.progress(progress));
  }

  failed(error: RamferryError): void {
    this.#failure ??= error;
  }

  async end(status: number): Promise<void> {
    this.#stop();
    const facts = { 'ramferry.exit_status': status };
    const statistics = this.#carrier?.statistics;
    if (statistics !== undefined) this.#trace.progress(statistics.progress());
    if (this.#failure !== undefined) this.#trace.fail(this.#failure, facts);
    else if (status !== EXIT.success || statistics === undefined)
      // The real emu-manager has failed by itself.
      this.#trace.fail({ code: `exit ${status}`, exitCode: FAILED }, facts);
    else this.#trace.succeed(statistics.summary('completed'), facts);
    await this.#tracing.flush(FLUSH_MS);
  }
}
