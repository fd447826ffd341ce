// `Tracing`: the spans of this process's migrations and commands. Loaded only where an SDK is registered.

import type * as OpenTelemetry from '@opentelemetry/api';

import type { TraceParent } from './context.js';
import { MigrationTrace, type TracedMigration } from './migration-trace.js';
import { type Moment, type Span, Tracer } from './tracer.js';

export class Tracing {
  readonly #tracer: Tracer;

  constructor(api: typeof OpenTelemetry, version: string) {
    this.#tracer = new Tracer(api, version);
  }

  /** Begins a migration's span. @param began milliseconds since 1970; absent = now */
  begin(migration: TracedMigration, parent: TraceParent, began?: Moment): MigrationTrace {
    return new MigrationTrace(this.#tracer, migration, parent, began);
  }

  /** Begins the span of a command that carries no guest. @param command its words: `guest source` */
  command(command: string, parent: TraceParent): Span {
    return this.#tracer.start('ramferry.command', { 'ramferry.command': command }, parent);
  }

  /** Waits until the ended spans have left, at most this many milliseconds. Never rejects. */
  flush(milliseconds: number): Promise<void> {
    return this.#tracer.flush(milliseconds);
  }
}
