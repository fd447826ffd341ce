// The state of a running transfer, or of a measurement, in one line. Pure: plain data in, text out, without a newline.

import { PAGE_BYTES } from '../page/size.js';
import type { Convergence } from '../transfer/statistics/convergence.js';
import type { Progress } from '../transfer/statistics/summary.js';
import { formatDuration, formatRate, formatSize } from '../units.js';

const BAR_WIDTH = 24;

/** One part of the line, and its rank: the part of the highest rank is left out first where the line is too long. */
type Part = readonly [rank: number, text: string];

/**
 * `[=====>    ]  42 %  215.0 MiB of 512.0 MiB  790.1 MB/s -> 118.0 MB/s  ratio 6.70  ETA 0.4 s`: the rates before and
 * after compression. Without a known total there is no bar, no percentage and no ETA.
 * @param width most characters of the line
 */
export function formatProgress(progress: Progress, width = Infinity): string {
  const parts = progressParts(progress);
  for (;;) {
    const line = parts.map(([, text]) => text).join('  ');
    if (line.length <= width || parts.length === 1) return line.slice(0, width);
    const last = Math.max(...parts.map(([rank]) => rank));
    parts.splice(
      parts.findIndex(([rank]) => rank === last),
      1,
    );
  }
}

function progressParts(progress: Progress): Part[] {
  const { guestBytes, totalBytes, ratio, remainingTime } = progress;
  const parts: Part[] = [];
  if (totalBytes === undefined || totalBytes === 0) {
    parts.push([1, formatSize(guestBytes)]);
  } else {
    const done = Math.min(1, guestBytes / totalBytes);
    parts.push(
      [8, bar(done)],
      [0, `${String(Math.floor(done * 100)).padStart(3)} %`],
      [6, `${formatSize(guestBytes)} of ${formatSize(totalBytes)}`],
    );
  }
  parts.push([3, `${formatRate(progress.guestRate)} -> ${formatRate(progress.linkRate)}`]);
  if (ratio !== undefined) parts.push([7, `ratio ${ratio.toFixed(2)}`]);
  if (remainingTime !== undefined) parts.push([0, `ETA ${formatDuration(remainingTime)}`]);
  if (progress.convergence !== undefined) parts.push(...convergenceParts(progress.convergence));
  return parts;
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
function convergenceParts(convergence: Convergence): Part[] {
  const { dirtyPagesRate: dirty, carriedPagesRate: carried, state } = convergence;
  if (dirty === undefined) return [];
  const parts: Part[] = [
    [4, `round ${convergence.dirtySyncCount}`],
    [5, `dirties ${formatRate(dirty * PAGE_BYTES)} of ${formatRate(carried * PAGE_BYTES)}`],
  ];
  const downtime = convergence.expectedDowntime;
  if (downtime !== undefined) parts.push([9, `expected downtime ${formatDuration(downtime)}`]);
  const { expectedRounds: rounds, expectedTime: time } = convergence;
  if (state === 'diverging') parts.push([0, 'DOES NOT CONVERGE']);
  else if (rounds !== undefined && time !== undefined) {
    parts.push([2, `${rounds} more ${rounds === 1 ? 'round' : 'rounds'}, ${formatDuration(time)}`]);
  }
  return parts;
}
