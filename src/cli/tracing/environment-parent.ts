// The trace that the caller of a command has begun: TRACEPARENT and TRACESTATE, the names that OpenTelemetry specifies
// ("Environment Variables as Context Propagation Carriers"). Imports nothing.

import type { TraceParent } from '../../trace/context.js';

export function environmentParent(env: Readonly<Record<string, string | undefined>>): TraceParent {
  return { traceparent: env['TRACEPARENT'], tracestate: env['TRACESTATE'] };
}
