// The spans of one migration, from its progress and its end: one for the transfer, one for each round of pre-copy that a progress report
// has seen, and an event for each switch of codec or level. Reports come every 250 ms; shorter rounds share a span.
// Attributes have the words of docs/METRICS.md. Never page contents, addresses or paths.

import { failureStatus } from '../errors.js';
import { PAGE_BYTES } from '../page/size.js';
import type { AdaptiveReport } from '../transfer/adaptive/chooser.js';
import type { Progress, TransferSummary } from '../transfer/statistics/summary.js';
import type { TraceParent } from './context.js';
import type { Attributes, Moment, Span, Tracer } from './tracer.js';

/** What a span says of its migration from the start. */
export interface TracedMigration {
  /** The command: `send`. */
  readonly command: string;
  readonly side: 'source' | 'destination';
  /** The label `migration` of the metrics. */
  readonly migration?: string | undefined;
  readonly more?: Attributes | undefined;
}

/** What ended a migration that failed: a RamferryError. */
export interface TracedFailure {
  readonly code: string;
  readonly exitCode: number;
}

type Bytes = Pick<Progress, 'guestBytes' | 'linkBytes'>;

const NOTHING: Bytes = { guestBytes: 0, linkBytes: 0 };

interface TracedRound {
  readonly span: Span;
  /** Rounds that had begun when the span did. */
  readonly first: number;
  /** The transfer's bytes at its start. */
  readonly before: Bytes;
}

export class MigrationTrace {
  readonly #span: Span;
  readonly #began: number;
  #bytes: Bytes | undefined;
  #round: TracedRound | undefined;
  #count = 0;
  #switches = 0;

  constructor(tracer: Tracer, migration: TracedMigration, parent: TraceParent, began: Moment) {
    const { command, side, migration: name, more } = migration;
    this.#began = began ?? Date.now();
    const facts = {
      'ramferry.command': command,
      'ramferry.side': side,
      ...(name === undefined ? {} : { 'ramferry.migration': name }),
      ...more,
    };
    this.#span = tracer.start('ramferry.transfer', facts, parent, began);
  }

  progress(progress: Progress): void {
    const { guestBytes, linkBytes, dirtySyncCount, convergence, adaptive } = progress;
    this.#bytes = { guestBytes, linkBytes };
    this.#addSwitches(adaptive);
    this.#addRounds(dirtySyncCount, convergence?.dirtyPagesRate);
  }

  /** @param more attributes of the command */
  succeed(summary: TransferSummary, more?: Attributes): void {
    const { ram, downtime, adaptive, setupTime } = summary;
    const guestBytes = ram.total - ram.remaining;
    this.#bytes = { guestBytes, linkBytes: ram.transferred };
    this.#addSwitches(adaptive);
    // A transfer may end before its first progress report.
    if (this.#round === undefined) {
      this.#addRounds(ram.dirtySyncCount, ram.dirtyPagesRate, this.#began + setupTime);
    }
    this.#count = Math.max(this.#count, ram.dirtySyncCount ?? 0);
    this.#endRound(this.#count + 1, ram.dirtyPagesRate);
    this.#end({
      'ramferry.status': summary.status,
      ...(downtime === undefined ? {} : { 'ramferry.downtime_seconds': downtime / 1000 }),
      ...codecOf(summary),
      ...more,
    });
  }

  /** The figures are those of the last progress, and absent before the first one. */
  fail({ code, exitCode }: TracedFailure, more?: Attributes): void {
    this.#endRound(this.#count + 1, undefined);
    this.#end({ 'ramferry.status': failureStatus(exitCode), ...more }, code);
  }

  /** Ends the transfer's span. */
  #end(facts: Attributes, code?: string): void {
    const iteration = this.#count === 0 ? {} : { 'ramferry.iteration': this.#count };
    const bytes = this.#bytes === undefined ? {} : byteFacts(this.#bytes);
    this.#span.end({ ...bytes, ...iteration, ...facts }, code);
  }

  #addSwitches(adaptive: AdaptiveReport | undefined): void {
    if (adaptive === undefined) return;
    for (const { from, to, reason } of adaptive.switches.slice(this.#switches)) {
      this.#span.event('ramferry.codec_switch', {
        'ramferry.codec.from': from,
        'ramferry.codec': to,
        'ramferry.reason': reason,
      });
    }
    this.#switches = adaptive.switches.length;
  }

  #addRounds(count: number | undefined, dirtyPages: number | undefined, began?: Moment): void {
    if (count === undefined || count <= this.#count) return;
    this.#endRound(count, dirtyPages);
    const isFirst = this.#count === 0;
    this.#count = count;
    const before = isFirst ? NOTHING : (this.#bytes ?? NOTHING);
    const span = this.#span.child('ramferry.round', { 'ramferry.iteration': count }, began);
    this.#round = { span, first: isFirst ? 1 : count, before };
  }

  /** @param next the round that follows */
  #endRound(next: number, dirtyPages: number | undefined): void {
    if (this.#round === undefined) return;
    const { span, first, before } = this.#round;
    this.#round = undefined;
    const { guestBytes, linkBytes } = this.#bytes ?? NOTHING;
    span.end({
      ...byteFacts({
        guestBytes: guestBytes - before.guestBytes,
        linkBytes: linkBytes - before.linkBytes,
      }),
      ...(next - first > 1 ? { 'ramferry.rounds': next - first } : {}),
      ...(dirtyPages === undefined ? {} : { 'ramferry.dirty_memory_rate_bytes': dirtyPages * PAGE_BYTES }),
    });
  }
}

function byteFacts({ guestBytes, linkBytes }: Bytes): Attributes {
  return {
    'ramferry.bytes.processed': guestBytes,
    'ramferry.bytes.transferred': linkBytes,
    ...(linkBytes > 0 ? { 'ramferry.compression.ratio': guestBytes / linkBytes } : {}),
  };
}

/** The coding at the end in adaptive mode; else the codec of most bytes. */
function codecOf({ adaptive, chunks }: TransferSummary): Attributes {
  if (adaptive !== undefined) return { 'ramferry.codec': adaptive.coding };
  const [most] = Object.entries(chunks.codecs).sort(([, one], [, other]) => other.decoded - one.decoded);
  return most === undefined ? {} : { 'ramferry.codec': most[0] };
}
