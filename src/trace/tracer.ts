// `Tracer`: ramferry's spans, by @opentelemetry/api, an optional peer dependency. Nothing here throws, rejects or waits for longer than
// the caller allows: a failure of tracing must not change the outcome of a migration.

import type * as OpenTelemetry from '@opentelemetry/api';

import { withDeadline } from '../os/time/deadline.js';
import { parentContext, type TraceParent } from './context.js';

type Api = typeof OpenTelemetry;

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** When a span begins or ends, in milliseconds since 1970. The present where absent. */
export type Moment = number | undefined;

/** One timed operation in a trace. */
export interface Span {
  event(name: string, attributes: Attributes): void;
  child(name: string, attributes: Attributes, began?: Moment): Span;
  /** @param code of the error that ended the operation; absent = success */
  end(attributes: Attributes, code?: string): void;
}

const NO_SPAN: Span = { event: () => undefined, child: () => NO_SPAN, end: () => undefined };

export class Tracer {
  readonly #api: Api;
  readonly #tracer: OpenTelemetry.Tracer;

  constructor(api: Api, version: string) {
    this.#api = api;
    this.#tracer = api.trace.getTracer('ramferry', version);
  }

  start(name: string, attributes: Attributes, parent: TraceParent, began?: Moment): Span {
    return safely(() => this.#begin(name, attributes, parentContext(this.#api, parent), began), NO_SPAN);
  }

  /** Waits for the provider's exporters, at most this many milliseconds. */
  async flush(milliseconds: number): Promise<void> {
    // The deadline keeps the process alive: a hanging flush may hold no handle.
    await withDeadline(this.#flush(), milliseconds, () => undefined);
  }

  async #flush(): Promise<void> {
    try {
      const provider = this.#api.trace.getTracerProvider() as { getDelegate?(): unknown };
      const delegate = (provider.getDelegate?.() ?? provider) as { forceFlush?(): Promise<unknown> };
      await delegate.forceFlush?.();
    } catch {
      // The spans are lost.
    }
  }

  #begin(name: string, attributes: Attributes, context: OpenTelemetry.Context, began: Moment): Span {
    const api = this.#api;
    const startTime = began === undefined ? {} : { startTime: began };
    const span = this.#tracer.startSpan(name, { attributes, ...startTime }, context);
    const inside = api.trace.setSpan(context, span);
    return {
      event: (event, facts) => safely(() => void span.addEvent(event, facts), undefined),
      child: (child, facts, start) => safely(() => this.#begin(child, facts, inside, start), NO_SPAN),
      end: (facts, code) => {
        safely(() => {
          span.setAttributes(facts);
          // The code alone: a message may name files and hosts, and a collector is no place for them.
          if (code !== undefined) {
            span.setAttribute('error.type', code);
            span.setStatus({ code: api.SpanStatusCode.ERROR, message: code });
          }
        }, undefined);
        safely(() => span.end(), undefined);
      },
    };
  }
}

function safely<Result>(work: () => Result, otherwise: Result): Result {
  try {
    return work();
  } catch {
    return otherwise;
  }
}
