// A span of our own inside the trace that xenopsd hands on (-traceparent, -tracestate), where OpenTelemetry's API is
// installed beside ramferry and set up by whoever starts Node. Without it everything here does nothing.
// Sources: W3C Trace Context, "traceparent Header"; @opentelemetry/api 1.x.

/** One piece of work in a trace. */
export interface Span {
  end(attributes: Readonly<Record<string, string | number | boolean>>, error?: Error): Promise<void>;
}

const NO_SPAN: Span = { end: () => Promise.resolve() };

/** How long what was traced may take to leave. */
const FLUSH_MS = 200;

/** The part of @opentelemetry/api that is used. */
interface Api {
  readonly ROOT_CONTEXT: unknown;
  readonly SpanStatusCode: { readonly ERROR: number };
  readonly trace: {
    getTracer(
      name: string,
      version: string,
    ): {
      startSpan(
        name: string,
        options: object,
        context: unknown,
      ): {
        setAttributes(attributes: object): unknown;
        recordException(error: Error): void;
        setStatus(status: { code: number; message: string }): unknown;
        end(): void;
      };
    };
    getTracerProvider(): { getDelegate?(): unknown };
    setSpanContext(context: unknown, span: object): unknown;
  };
  createTraceState?(text: string): unknown;
}

async function loadApi(): Promise<Api | undefined> {
  // Not in our own dependencies: the compiler must not look for it.
  const name = '@opentelemetry/api';
  try {
    return (await import(name)) as Api;
  } catch {
    return undefined;
  }
}

function parentContext(api: Api, traceparent: string | undefined, tracestate: string | undefined): unknown {
  const pattern = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;
  const [, traceId, spanId, flags] = pattern.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return api.ROOT_CONTEXT;
  const traceState = tracestate === undefined ? undefined : api.createTraceState?.(tracestate);
  const span = { traceId, spanId, traceFlags: parseInt(flags!, 16), isRemote: true };
  return api.trace.setSpanContext(
    api.ROOT_CONTEXT,
    traceState === undefined ? span : { ...span, traceState },
  );
}

/** What an SDK registered, if it can be asked to hurry. */
function flusher(api: Api): () => Promise<unknown> {
  const provider = api.trace.getTracerProvider();
  const delegate = (provider.getDelegate?.() ?? provider) as { forceFlush?(): Promise<unknown> };
  return () => delegate.forceFlush?.() ?? Promise.resolve();
}

/** @param parent as xenopsd gave it */
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
          // The timer keeps the process: a flush that hangs may hold nothing that does.
          let timer: NodeJS.Timeout | undefined;
          const late = new Promise((resolve) => (timer = setTimeout(resolve, FLUSH_MS)));
          await Promise.race([flusher(api)().catch(() => undefined), late]);
          clearTimeout(timer);
        } catch {
          // The migration has ended: a trace cannot change how.
        }
      },
    };
  } catch {
    return NO_SPAN; // tracing is never a reason to fail
  }
}
