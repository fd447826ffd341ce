// A transfer's summary as text, in the words of QEMU's `info migrate`.
// Pure: plain data in, text out, without a newline at the end.

import type { SharedMemoryFigures, TransferSummary } from '../transfer/statistics/summary.js';
import type { PageTally } from '../transfer/statistics/counts.js';
import { formatDuration, formatRate, formatSize } from '../units.js';
import { kbytes, lines, milliseconds, type Row } from './rows.js';

/**
 * The outcome in three lines: what became of the stream, what went over the link, what it cost. A fourth says why a part of it had no
 * page identities.
 */
export function formatOutcome(summary: TransferSummary): string {
  const { status, streamEnd, totalTime, ram, downtime, cpuSeconds, peakMemory, compression } = summary;
  const seconds = Math.max(1, totalTime - summary.setupTime) / 1000;
  const end = streamEnd === undefined ? '' : `, stream end ${streamEnd}`;
  const rounds = ram.dirtySyncCount === undefined ? '' : `, ${ram.dirtySyncCount} rounds`;
  const paused = downtime === undefined ? '' : `, downtime ${formatDuration(downtime)}`;
  const processed = ram.total - ram.remaining;
  const ratio = ram.transferred === 0 ? '' : `, ratio ${(processed / ram.transferred).toFixed(2)}`;
  const codecs = Object.keys(summary.chunks.codecs).join(', ');
  const coding = compression === undefined || codecs === '' ? '' : ` (${codecs})`;
  return [
    `${status}: ${formatSize(processed)} in ${formatDuration(totalTime)}${end}${rounds}${paused}`,
    `link: ${formatSize(ram.transferred)} at ${formatRate(ram.transferred / seconds)}${ratio}${coding}`,
    `cost: ${cpuSeconds.toFixed(2)} s of processor time, ${formatSize(peakMemory)} of memory at most`,
    ...(summary.opaqueBecause === undefined ? [] : [`not seen as pages: ${summary.opaqueBecause}`]),
  ].join('\n');
}

/** Lines of `label: value` as in `info migrate`; ramferry's own figures follow them. */
export function formatSummary(summary: TransferSummary): string {
  return lines(summaryRows(summary));
}

/** The figures in the order of the text. */
export function summaryRows(summary: TransferSummary): Row[] {
  const { ram, compression, pages, chunks } = summary;
  const rows: Row[] = [
    ['Migration status', summary.status],
    ...endRows(summary.streamEnd),
    ...resumedRows(summary.resumedFrom),
    ['total time', milliseconds(summary.totalTime)],
    ['downtime', summary.downtime === undefined ? 'n/a' : milliseconds(summary.downtime)],
    ['setup', milliseconds(summary.setupTime)],
    ['transferred ram', kbytes(ram.transferred)],
    ['throughput', `${ram.mbps.toFixed(2)} mbps`],
    ['remaining ram', kbytes(ram.remaining)],
    ['total ram', kbytes(ram.total)],
    ['duplicate', count(ram.duplicate, 'pages')],
    ['skipped', count(ram.skipped, 'pages')],
    ['normal', count(ram.normal, 'pages')],
    ['normal bytes', kbytes(ram.normalBytes)],
    ['page size', kbytes(ram.pageSize)],
    ['pages-per-second', String(ram.pagesPerSecond)],
  ];
  const shared = summary.sharedMemory;
  if (shared !== undefined) rows.push(...sharedMemoryRows(shared));
  else rows.push(...roundRows(summary));
  if (summary.heldBack !== undefined) rows.push(['held back', milliseconds(summary.heldBack)]);
  rows.push(...breakRows(summary.linkBreaks));
  if (compression !== undefined) {
    rows.push(
      ['compression pages', count(compression.pages, 'pages')],
      ['compression busy', String(compression.busy)],
      ['compression busy rate', compression.busyRate.toFixed(2)],
      ['compressed size', kbytes(compression.compressedSize)],
      ['compression rate', compression.compressionRate.toFixed(2)],
    );
  }
  rows.push(
    ['chunks', `${chunks.total} (${chunks.stored} stored)`],
    ['delta', count(pages.delta, 'pages')],
    ['same', count(pages.same, 'pages')],
    ...recognisedRows(pages, summary),
    ...adaptiveRows(summary),
    ...cacheRows(summary.xbzrleCache),
    ['cpu time', `${summary.cpuSeconds.toFixed(2)} s`],
    ['peak memory', kbytes(summary.peakMemory)],
  );
  return rows;
}

/** How a link that mends has fared. */
function breakRows(breaks: TransferSummary['linkBreaks']): Row[] {
  if (breaks === undefined) return [];
  return [
    ['link breaks', `${breaks.breaks} (${breaks.reconnects} reconnects)`],
    ['link away', milliseconds(breaks.away)],
  ];
}

/** What an earlier transfer has brought. */
function resumedRows(bytes: number | undefined): Row[] {
  return bytes === undefined ? [] : [['resumed from', kbytes(bytes)]];
}

/** Only a sender knows how its input ended. */
function endRows(end: TransferSummary['streamEnd']): Row[] {
  return end === undefined ? [] : [['stream end', end]];
}

/** How much of the stream a sender's grammar has recognised, and why not all. */
export function recognisedRows(
  pages: Readonly<Partial<PageTally>>,
  { opaqueBecause, opaqueHint }: Pick<TransferSummary, 'opaqueBecause' | 'opaqueHint'>,
): Row[] {
  return [
    ...identifiedRows(pages),
    ...(opaqueBecause === undefined ? [] : [['opaque because', opaqueBecause] as const]),
    ...(opaqueHint === undefined ? [] : [['hint', opaqueHint] as const]),
  ];
}

/** The share of the pages whose place in the guest's memory is known. */
function identifiedRows({ identified, anonymous }: Readonly<Partial<PageTally>>): Row[] {
  if (identified === undefined || anonymous === undefined || identified + anonymous === 0) return [];
  const share = (100 * identified) / (identified + anonymous);
  return [['identified', `${identified} of ${identified + anonymous} pages (${share.toFixed(1)} %)`]];
}

/** The xbzrle figures of `info migrate`, and how often the page store turned itself off. */
function cacheRows(cache: TransferSummary['xbzrleCache']): Row[] {
  if (cache === undefined) return [];
  return [
    ['cache size', `${cache.cacheSize} bytes`],
    ['xbzrle transferred', kbytes(cache.bytes)],
    ['xbzrle pages', count(cache.pages, 'pages')],
    ['xbzrle cache miss', count(cache.cacheMiss, 'pages')],
    ['xbzrle cache miss rate', cache.cacheMissRate.toFixed(2)],
    ['xbzrle encoding rate', cache.encodingRate.toFixed(2)],
    ['xbzrle overflow', String(cache.overflow)],
    ['xbzrle turned off', `${cache.turnedOff} times`],
  ];
}

function sharedMemoryRows(shared: SharedMemoryFigures): Row[] {
  const rows: Row[] = [
    ['dirty sync count', String(shared.rounds)],
    ['guest ram', kbytes(shared.ramSize)],
  ];
  if (shared.lastRound !== undefined) rows.push(['last round', milliseconds(shared.lastRound)]);
  if (shared.finalScan !== undefined) {
    const perGib = milliseconds(shared.finalScanPerGib ?? 0);
    rows.push(['final scan', `${milliseconds(shared.finalScan)} (${perGib} a GiB)`]);
  }
  if (shared.verified === true) rows.push(['ram compared', 'identical']);
  return rows;
}

/** The last coding of adaptive mode, and each switch with its reason. */
function adaptiveRows({ adaptive }: TransferSummary): Row[] {
  if (adaptive === undefined) return [];
  const { coding, switches, trials } = adaptive;
  const count = switches.length === 1 ? '1 switch' : `${switches.length} switches`;
  return [
    ['adaptive', `${coding} (${count}, ${trials.count} trials in ${trials.cpuSeconds.toFixed(3)} s)`],
    ...switches.map((each): Row => {
      const link = each.linkRate === undefined ? '' : `link ${formatRate(each.linkRate)}, `;
      const gain = `${formatRate(each.expectedBefore)} -> ${formatRate(each.expectedAfter)}`;
      return ['switch', `${each.time} ms: ${each.from} -> ${each.to}: ${each.reason} (${link}${gain})`];
    }),
  ];
}

/** The figures of rounds; none when the sender has seen no rounds. */
function roundRows({ ram, convergence }: TransferSummary): Row[] {
  const { dirtySyncCount: rounds = 0, dirtyPagesRate: dirty } = ram;
  const rows: Row[] = rounds > 1 ? [['dirty sync count', String(rounds)]] : [];
  if (dirty === undefined || convergence === undefined || convergence.state === 'unknown') return rows;
  const converged = convergence.state === 'converging' ? 'yes' : 'no: the last rounds did not get smaller';
  return [
    ...rows,
    ['dirty pages rate', `${dirty} pages/s`],
    ['carried pages rate', `${convergence.carriedPagesRate} pages/s`],
    ['converging', converged],
  ];
}

function count(value: number, unit: string): string {
  return `${value} ${unit}`;
}
