// The parent of a span, from W3C Trace Context. Parsed here, because the operator's SDK may have no propagator, or one of another format,
// and would then lose the parent. Source: W3C Trace Context, "Traceparent Header".

import type * as OpenTelemetry from '@opentelemetry/api';

/** The texts of W3C Trace Context; absent or invalid ones start a trace of its own. */
export interface TraceParent {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** Version, trace, span, flags. A later version may append fields. */
const PATTERN = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export function parentContext(api: typeof OpenTelemetry, parent: TraceParent): OpenTelemetry.Context {
  const [, version, traceId, spanId, flags, more] = PATTERN.exec(parent.traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return api.ROOT_CONTEXT;
  if (version === '00' && more !== undefined) return api.ROOT_CONTEXT;
  const span = { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true };
  if (parent.tracestate === undefined) return api.trace.setSpanContext(api.ROOT_CONTEXT, span);
  // API 1.10 declares it deprecated, for one in @opentelemetry/core, which comes with an SDK and is no peer dependency of this package.
  const { createTraceState } = api as { createTraceState: (text: string) => OpenTelemetry.TraceState };
  const traceState = createTraceState(parent.tracestate);
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { ...span, traceState });
}
