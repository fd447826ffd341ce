// The spans of a migration, as the SDK's exporters get them, and what failures of an SDK do: nothing.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';

import * as api from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';

import { RamferryError } from '../../src/errors.js';
import type { TraceParent } from '../../src/trace/context.js';
import { openTracing } from '../../src/trace/open.js';
import type { Tracing } from '../../src/trace/tracing.js';
import { Statistics } from '../../src/transfer/statistics/statistics.js';
import type { Progress } from '../../src/transfer/statistics/summary.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const NO_PARENT: TraceParent = { traceparent: undefined, tracestate: undefined };
const MIGRATION = { command: 'send', side: 'source', migration: 'web1' } as const;

const exporter = new InMemorySpanExporter();

function register(exporting: SpanExporter): void {
  api.trace.disable();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporting)] });
  api.trace.setGlobalTracerProvider(provider);
}

beforeEach(() => register(exporter));
afterEach(() => {
  exporter.reset();
  api.trace.disable();
});

async function opened(): Promise<Tracing> {
  const tracing = await openTracing('1.2.3');
  assert.ok(tracing);
  return tracing;
}

function named(name: string): ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name);
}

function progressAt(guestBytes: number, linkBytes: number, more: Partial<Progress> = {}): Progress {
  const statistics = new Statistics();
  statistics.addGuestBytes(guestBytes);
  statistics.addLinkBytes(linkBytes);
  return { ...statistics.progress(), ...more };
}

function ended(guestBytes: number, linkBytes: number, rounds?: number): Statistics {
  const statistics = new Statistics();
  statistics.addGuestBytes(guestBytes);
  statistics.addLinkBytes(linkBytes);
  if (rounds !== undefined) statistics.observe({ roundCount: () => rounds });
  return statistics;
}

const change = { time: 1, from: 'none', to: 'zstd 1', reason: 'why', expectedBefore: 1, expectedAfter: 2 };
const adaptive = { coding: 'zstd 1', switches: [change], trials: { count: 0, cpuSeconds: 0 } };

describe('MigrationTrace', () => {
  it('has a span for the transfer, with the figures of the summary', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT);
    const statistics = ended(600, 200);
    statistics.recordDowntime(250);
    const pages = { literal: 1 };
    statistics.addChunk({ codec: 'zstd', decoded: 600, encoded: 100, stored: false, pages });
    trace.succeed(statistics.summary('completed'));
    const [span, ...others] = exporter.getFinishedSpans();
    assert.equal(others.length, 0);
    assert.equal(span!.name, 'ramferry.transfer');
    assert.deepEqual(span!.instrumentationScope.version, '1.2.3');
    assert.deepEqual(span!.attributes, {
      'ramferry.command': 'send',
      'ramferry.side': 'source',
      'ramferry.migration': 'web1',
      'ramferry.status': 'completed',
      'ramferry.codec': 'zstd',
      'ramferry.bytes.processed': 600,
      'ramferry.bytes.transferred': 200,
      'ramferry.compression.ratio': 3,
      'ramferry.downtime_seconds': 0.25,
    });
    assert.equal(span!.status.code, api.SpanStatusCode.UNSET);
  });

  it('has a span for each round below the transfer’s, with the bytes of the round', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT);
    trace.progress(progressAt(100, 50, { dirtySyncCount: 1 }));
    trace.progress(progressAt(500, 100, { dirtySyncCount: 2 }));
    trace.progress(progressAt(550, 120, { dirtySyncCount: 2 }));
    // The third and fourth round fell between two reports.
    trace.progress(progressAt(600, 150, { dirtySyncCount: 3 }));
    trace.succeed(ended(700, 200, 4).summary('completed'));
    const [transfer] = named('ramferry.transfer');
    const rounds = named('ramferry.round');
    assert.deepEqual(
      rounds.map(({ attributes }) => [
        attributes['ramferry.iteration'],
        attributes['ramferry.rounds'],
        attributes['ramferry.bytes.processed'],
        attributes['ramferry.bytes.transferred'],
        attributes['ramferry.compression.ratio'],
      ]),
      [
        [1, undefined, 500, 100, 5],
        [2, undefined, 100, 50, 2],
        [3, 2, 100, 50, 2],
      ],
    );
    for (const { parentSpanContext } of rounds) {
      assert.equal(parentSpanContext?.spanId, transfer!.spanContext().spanId);
    }
    assert.equal(transfer!.attributes['ramferry.iteration'], 4);
  });

  it('has the rounds of a transfer that ends before its first report', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT);
    trace.succeed(ended(100, 50, 3).summary('completed'));
    const [round, ...others] = named('ramferry.round');
    assert.equal(others.length, 0);
    assert.equal(round!.attributes['ramferry.rounds'], 3);
    assert.equal(round!.attributes['ramferry.bytes.processed'], 100);
  });

  it('has each switch once, as an event', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT);
    trace.progress(progressAt(100, 50, { adaptive }));
    trace.progress(progressAt(200, 60, { adaptive }));
    const statistics = ended(300, 70);
    const later = { ...change, from: 'zstd 1', to: 'zstd 3' };
    const switches = [change, later];
    statistics.observe({ adaptive: () => ({ ...adaptive, coding: 'zstd 3', switches }) });
    trace.succeed(statistics.summary('completed'));
    const [span] = named('ramferry.transfer');
    assert.deepEqual(
      span!.events.map(({ name, attributes }) => [name, attributes?.['ramferry.codec']]),
      [
        ['ramferry.codec_switch', 'zstd 1'],
        ['ramferry.codec_switch', 'zstd 3'],
      ],
    );
    assert.equal(span!.attributes['ramferry.codec'], 'zstd 3');
  });

  it('has the code of the error and no text of it, failure', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT);
    trace.progress(progressAt(100, 50, { dirtySyncCount: 1 }));
    trace.fail(new RamferryError('ERR_OUTCOME_UNKNOWN', 'exec:secret is gone'));
    const [span] = named('ramferry.transfer');
    assert.deepEqual(span!.status, { code: api.SpanStatusCode.ERROR, message: 'ERR_OUTCOME_UNKNOWN' });
    assert.equal(span!.attributes['error.type'], 'ERR_OUTCOME_UNKNOWN');
    assert.equal(span!.attributes['ramferry.status'], 'unknown');
    assert.equal(span!.attributes['ramferry.bytes.processed'], 100);
    assert.equal(named('ramferry.round').length, 1);
    assert.doesNotMatch(JSON.stringify([span!.attributes, span!.events, span!.status]), /secret/);
  });

  it('says nothing of bytes, failure before the first report', async () => {
    (await opened()).begin(MIGRATION, NO_PARENT).fail(new RamferryError('ERR_LINK_CLOSED', 'gone'));
    const { attributes } = named('ramferry.transfer')[0]!;
    assert.deepEqual(
      Object.keys(attributes).filter((key) => key.includes('bytes')),
      [],
    );
  });

  it('begins where the caller says', async () => {
    const trace = (await opened()).begin(MIGRATION, NO_PARENT, 1_000_000_000_000);
    trace.succeed(ended(1, 1).summary('completed'));
    assert.deepEqual(named('ramferry.transfer')[0]!.startTime, [1_000_000_000, 0]);
  });
});

describe('parentContext', () => {
  const parentOf = async (traceparent: string, tracestate?: string): Promise<api.SpanContext | undefined> => {
    const trace = (await opened()).begin(MIGRATION, { traceparent, tracestate });
    trace.succeed(ended(1, 1).summary('completed'));
    return exporter.getFinishedSpans().at(-1)!.parentSpanContext;
  };

  it('joins the trace of W3C Trace Context', async () => {
    const parent = await parentOf(`00-${TRACE}-${SPAN}-01`, 'vendor=1');
    assert.deepEqual([parent?.traceId, parent?.spanId, parent?.isRemote], [TRACE, SPAN, true]);
    assert.equal(parent?.traceState?.serialize(), 'vendor=1');
    // A later version may have more fields.
    assert.equal((await parentOf(`01-${TRACE}-${SPAN}-01-more`))?.traceId, TRACE);
  });

  it('starts a trace of its own, invalid texts', async () => {
    const zeros = '0'.repeat(32);
    for (const text of [
      '',
      'nonsense',
      `ff-${TRACE}-${SPAN}-01`,
      `00-${zeros}-${SPAN}-01`,
      `00-${TRACE}-${zeros.slice(16)}-01`,
      `00-${TRACE}-${SPAN}-01-more`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN}`,
    ]) {
      assert.equal(await parentOf(text), undefined, text);
    }
  });
});

describe('Tracing: an SDK that fails', () => {
  const whole = async (): Promise<void> => {
    const tracing = await opened();
    const trace = tracing.begin(MIGRATION, NO_PARENT);
    trace.progress(progressAt(100, 50, { dirtySyncCount: 1, adaptive }));
    trace.progress(progressAt(200, 60, { dirtySyncCount: 2, adaptive }));
    trace.fail(new RamferryError('ERR_LINK_CLOSED', 'gone'));
    await tracing.flush(20);
  };
  const fail = (): never => {
    throw new Error('the SDK is broken');
  };

  it('changes nothing, exporter that throws', async () => {
    register({ export: fail, forceFlush: fail, shutdown: fail });
    await whole();
  });

  it('changes nothing, spans that throw', async () => {
    const span = { addEvent: fail, setAttributes: fail, setAttribute: fail, setStatus: fail, end: fail };
    api.trace.disable();
    api.trace.setGlobalTracerProvider({
      getTracer: () => ({ startSpan: () => span }),
    } as unknown as api.TracerProvider);
    await whole();
  });

  it('changes nothing, provider that makes no spans', async () => {
    api.trace.disable();
    api.trace.setGlobalTracerProvider({
      getTracer: () => ({ startSpan: fail }),
    } as unknown as api.TracerProvider);
    await whole();
    api.trace.disable();
    api.trace.setGlobalTracerProvider({ getTracer: fail });
    const tracing = await openTracing('1');
    tracing?.begin(MIGRATION, NO_PARENT).succeed(ended(1, 1).summary('completed'));
    await tracing?.flush(20);
  });

  it('ends the wait, flush that hangs', async () => {
    const provider = new BasicTracerProvider();
    provider.forceFlush = () => new Promise<void>(() => undefined);
    api.trace.disable();
    api.trace.setGlobalTracerProvider(provider);
    await whole();
  });
});
