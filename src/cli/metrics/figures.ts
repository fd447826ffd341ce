// The figures of one migration as the metrics show them, from its progress and from its end. A figure that is not known is absent.
// Pure: plain data in and out.

import type { CodedError, MigrationFigures, MigrationLabels, MigrationSample, Side } from './sample.js';
import { PAGE_BYTES } from '../../page/size.js';
import type { AdaptiveReport } from '../../transfer/adaptive/chooser.js';
import type { Progress, TransferSummary } from '../../transfer/statistics/summary.js';

/** The figures of a running migration. */
export function runningFigures(progress: Progress): MigrationFigures {
  const { guestBytes, linkBytes, totalBytes, ratio, convergence, dirtySyncCount } = progress;
  return {
    processed: guestBytes,
    transferred: linkBytes,
    ...(totalBytes === undefined
      ? {}
      : { total: totalBytes, remaining: Math.max(0, totalBytes - guestBytes) }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(dirtySyncCount === undefined ? {} : { iteration: dirtySyncCount }),
    ...dirtyRate(convergence?.dirtyPagesRate),
    ...breakCounts(progress.linkBreaks),
    ...switchCounts(progress.adaptive),
  };
}

/** The figures of the summary, which are final. */
export function finalFigures(summary: TransferSummary): MigrationFigures {
  const { ram, downtime } = summary;
  const processed = ram.total - ram.remaining;
  return {
    total: ram.total,
    processed,
    remaining: ram.remaining,
    transferred: ram.transferred,
    ...(ram.transferred === 0 ? {} : { ratio: processed / ram.transferred }),
    ...(downtime === undefined ? {} : { downtime: downtime / 1000 }),
    ...(ram.dirtySyncCount === undefined ? {} : { iteration: ram.dirtySyncCount }),
    ...dirtyRate(ram.dirtyPagesRate),
    ...breakCounts(summary.linkBreaks),
    ...switchCounts(summary.adaptive),
  };
}

/** A migration whose figures change until it ends. */
export class MigrationMeter {
  readonly labels: MigrationLabels;
  #figures: MigrationFigures = { processed: 0, transferred: 0 };
  #failed: string | undefined;
  #succeeded = false;

  constructor(migration: string, side: Side) {
    this.labels = { migration, side };
  }

  progress(progress: Progress): void {
    this.#figures = runningFigures(progress);
  }

  /** A failure keeps the figures of the last progress. */
  end(outcome: TransferSummary | CodedError): void {
    if ('code' in outcome) {
      this.#failed = outcome.code;
      return;
    }
    this.#figures = finalFigures(outcome);
    this.#succeeded = true;
  }

  sample(): MigrationSample {
    return {
      labels: this.labels,
      figures: this.#figures,
      succeeded: this.#succeeded,
      failed: this.#failed,
    };
  }
}

function dirtyRate(pages: number | undefined): Pick<MigrationFigures, 'dirtyRate'> {
  return pages === undefined ? {} : { dirtyRate: pages * PAGE_BYTES };
}

function breakCounts(
  figures: TransferSummary['linkBreaks'],
): Pick<MigrationFigures, 'linkBreaks' | 'linkReconnects' | 'linkAway'> {
  if (figures === undefined) return {};
  const { breaks, reconnects, away } = figures;
  return { linkBreaks: breaks, linkReconnects: reconnects, linkAway: away / 1000 };
}

/** Switches of adaptive mode by the coding that they led to. */
function switchCounts(adaptive: AdaptiveReport | undefined): Pick<MigrationFigures, 'switches'> {
  if (adaptive === undefined) return {};
  const switches: Record<string, number> = {};
  for (const { to } of adaptive.switches) switches[to] = (switches[to] ?? 0) + 1;
  return { switches };
}
