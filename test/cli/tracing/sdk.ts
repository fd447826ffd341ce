// A real SDK of OpenTelemetry that Node loads before a command, and what its exporter has got.

import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

/** The trace and the span that the environment names as the parent. */
export const TRACE = '0af7651916cd43dd8448eb211c80319c';
export const PARENT = 'b7ad6b7169203331';

export interface Exported {
  readonly name: string;
  readonly scope: string;
  readonly trace: string;
  readonly parent: string | undefined;
  /** The state of the parent's trace, as `tracestate` writes it. */
  readonly state: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly code: number;
}

export class TracedEnvironment {
  readonly #folder: string;
  #files = 0;

  /** @param folder for the SDK's scripts and the spans */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The environment of a command whose exporter runs this code for each `spans`, and then calls `done`. */
  exporting(code: string): Record<string, string> {
    const script = `${this.#folder}/sdk${this.#files++}.mjs`;
    fs.writeFileSync(
      script,
      `import fs from 'node:fs';
      import { isMainThread } from 'node:worker_threads';
      import { trace } from ${JSON.stringify(import.meta.resolve('@opentelemetry/api'))};
      import sdk from ${JSON.stringify(import.meta.resolve('@opentelemetry/sdk-trace-base'))};
      const exporter = { export: (spans, done) => { ${code} }, shutdown: () => Promise.resolve() };
      const spanProcessors = [new sdk.SimpleSpanProcessor(exporter)];
      if (isMainThread) trace.setGlobalTracerProvider(new sdk.BasicTracerProvider({ spanProcessors }));`,
    );
    return {
      NODE_OPTIONS: `--import=${pathToFileURL(script).href}`,
      TRACEPARENT: `00-${TRACE}-${PARENT}-01`,
    };
  }

  /** An environment whose exporter writes to a file, and what it has written. */
  collecting(): { readonly env: Record<string, string>; readonly spans: () => Exported[] } {
    const path = `${this.#folder}/spans${this.#files}`;
    fs.writeFileSync(path, '');
    const env = this.exporting(
      `for (const span of spans) fs.appendFileSync(${JSON.stringify(path)}, JSON.stringify({
        name: span.name, scope: span.instrumentationScope.name,
        trace: span.spanContext().traceId, parent: span.parentSpanContext?.spanId,
        state: span.parentSpanContext?.traceState?.serialize(),
        attributes: span.attributes, code: span.status.code }) + '\\n');
      done({ code: 0 });`,
    );
    const spans = (): Exported[] => {
      const lines = fs.readFileSync(path, 'utf8').split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Exported);
    };
    return { env, spans };
  }
}
