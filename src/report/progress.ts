// The state of a running transfer, or of a measurement, in one line. Pure: plain data in, text out, without a newline.

import { PAGE_BYTES } from '../page/size.js';
import type { Convergence } from '../transfer/statistics/convergence.js';
import type { Progress } from '../transfer/statistics/summary.js';
import { formatDuration, formatRate, formatSize } from '../units.js';

const BAR_WIDTH = 24;

/**
 * `[=====>    ]  42 %  215.0 MiB of 512.0 MiB  790.1 MB/s -> 118.0 MB/s  ratio 6.70  ETA 0.4 s`: the rates before and
 * after compression. Without a known total there is no bar, no percentage and no ETA.
 */
export function formatProgress(progress: Progress): string {
  const { guestBytes, totalBytes, ratio, remainingTime } = progress;
  const parts: string[] = [];
  if (totalBytes === undefined || totalBytes === 0) {
    parts.push(formatSize(guestBytes));
  } else {
    const done = Math.min(1, guestBytes / totalBytes);
    parts.push(
      bar(done),
      `${String(Math.floor(done * 100)).padStart(3)} %`,
      `${formatSize(guestBytes)} of ${formatSize(totalBytes)}`,
    );
  }
  parts.push(`${formatRate(progress.guestRate)} -> ${formatRate(progress.linkRate)}`);
  if (ratio !== undefined) parts.push(`ratio ${ratio.toFixed(2)}`);
  if (remainingTime !== undefined) parts.push(`ETA ${formatDuration(remainingTime)}`);
  if (progress.convergence !== undefined) parts.push(...convergenceParts(progress.convergence));
  return parts.join('  ');
}

/** `[=====>    ] codec zstd 3, 1 MiB`: the finished share and the current step. */
export function formatStep(step: string, share: number): string {
  return `${bar(Math.max(0, Math.min(1, share)))} ${step}`;
}

/** @param share from 0 to 1 */
function bar(share: number): string {
  const filled = Math.floor(share * BAR_WIDTH);
  const head = filled < BAR_WIDTH ? '>' : '';
  return `[${'='.repeat(filled)}${head}${' '.repeat(Math.max(0, BAR_WIDTH - filled - 1))}]`;
}

/** From the second round on: dirty rate, carried rate, and the expected downtime, rounds and time. */
function convergenceParts(convergence: Convergence): string[] {
  const { dirtyPagesRate: dirty, carriedPagesRate: carried, state } = convergence;
  if (dirty === undefined) return [];
  const parts = [
    `round ${convergence.dirtySyncCount}`,
    `dirties ${formatRate(dirty * PAGE_BYTES)} of ${formatRate(carried * PAGE_BYTES)}`,
  ];
  const downtime = convergence.expectedDowntime;
  if (downtime !== undefined) parts.push(`expected downtime ${formatDuration(downtime)}`);
  const { expectedRounds: rounds, expectedTime: time } = convergence;
  if (state === 'diverging') parts.push('DOES NOT CONVERGE');
  else if (rounds !== undefined && time !== undefined) {
    parts.push(`${rounds} more ${rounds === 1 ? 'round' : 'rounds'}, ${formatDuration(time)}`);
  }
  return parts;
}
