// Adds a span of ramferry to the trace that xenopsd passes on (-traceparent, -tracestate). Needs @opentelemetry/api installed
// beside ramferry, and an SDK that the operator registers at Node's start (--import). Without them every function does nothing.
// Sources: W3C Trace Context, "traceparent Header"; @opentelemetry/api 1.x.

import type * as OpenTelemetry from '@opentelemetry/api';

/** A span of OpenTelemetry: one timed operation in a trace. */
export interface Span {
  end(attributes: Readonly<Record<string, string | number | boolean>>, error?: Error): Promise<void>;
}

const NO_SPAN: Span = { end: () => Promise.resolve() };

/** Longest wait for the provider's flush at the end of the span. */
const FLUSH_MS = 200;

type Api = typeof OpenTelemetry;

/** The global symbol under which major version 1 of the API stores what an SDK registers. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

/** Loads the API, an optional peer dependency. Without a registered SDK it stays unloaded: loading takes some 20 ms. */
async function loadApi(): Promise<Api | undefined> {
  if (!(REGISTRY in globalThis)) return undefined;
  try {
    return await import('@opentelemetry/api');
  } catch {
    return undefined;
  }
}

/**
 * Parses the trace context of xenopsd, which is always W3C Trace Context. The API would use the operator's propagator, which may
 * be absent or of another format and would then lose the parent.
 */
function parentContext(
  api: Api,
  traceparent: string | undefined,
  tracestate: string | undefined,
): OpenTelemetry.Context {
  const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;
  const [, traceId, spanId, flags] = pattern.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return api.ROOT_CONTEXT;
  const span = { traceId, spanId, traceFlags: parseInt(flags!, 16), isRemote: true };
  if (tracestate === undefined) return api.trace.setSpanContext(api.ROOT_CONTEXT, span);
  // The replacement is in @opentelemetry/core, which comes with an SDK and is no peer dependency of this package.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const traceState = api.createTraceState(tracestate);
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { ...span, traceState });
}

/** Returns the registered provider's flush. It resolves at once where the provider has none. */
function flusher(api: Api): () => Promise<unknown> {
  const provider = api.trace.getTracerProvider() as { getDelegate?(): unknown };
  const delegate = (provider.getDelegate?.() ?? provider) as { forceFlush?(): Promise<unknown> };
  return () => delegate.forceFlush?.() ?? Promise.resolve();
}

/** Starts a span. @param parent the arguments of xenopsd; absent ones start a trace of its own */
export async function startSpan(
  name: string,
  version: string,
  parent: { readonly traceparent: string | undefined; readonly tracestate: string | undefined },
): Promise<Span> {
  const api = await loadApi();
  if (api === undefined) return NO_SPAN;
  try {
    const context = parentContext(api, parent.traceparent, parent.tracestate);
    const span = api.trace.getTracer('ramferry', version).startSpan(name, {}, context);
    return {
      end: async (attributes, error) => {
        try {
          span.setAttributes(attributes);
          if (error !== undefined) {
            span.recordException(error);
            span.setStatus({ code: api.SpanStatusCode.ERROR, message: error.message });
          }
          span.end();
          // The timer keeps the process alive, because a hanging flush may hold no handle.
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
          await Promise.race([flusher(api)().catch(() => undefined), late]);
          clearTimeout(timer);
        } catch {
          // The migration has ended: a failure of tracing must not change its outcome.
        }
      },
    };
  } catch {
    return NO_SPAN; // a failure of tracing must not fail the migration
  }
}
