// Opens tracing where an SDK of OpenTelemetry is registered in this process. Without one this costs a look at a global and loads nothing.
// An operator registers an SDK at Node's start (--require or --import, docs/TRACES.md).

import type { Tracing } from './tracing.js';

/** The global symbol under which major version 1 of @opentelemetry/api keeps what an SDK registers. */
const REGISTRY = Symbol.for('opentelemetry.js.api.1');

/**
 * Never rejects.
 * @param version of ramferry
 * @returns undefined where no SDK is registered, or @opentelemetry/api is not installed beside ramferry
 */
export async function openTracing(version: string): Promise<Tracing | undefined> {
  if (!(REGISTRY in globalThis)) return undefined;
  try {
    const [{ Tracing: Opened }, api] = await Promise.all([
      import('./tracing.js'),
      import('@opentelemetry/api'),
    ]);
    return new Opened(api, version);
  } catch {
    return undefined;
  }
}
