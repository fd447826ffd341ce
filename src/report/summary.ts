// A transfer's summary as text, in the words of QEMU's `info migrate`.
// Pure: plain data in, text out, without a newline at the end.

import type { SharedMemoryFigures, TransferSummary } from '../transfer/statistics/summary.js';
import { formatRate } from '../units.js';
import { kbytes, lines, milliseconds, type Row } from './rows.js';

/** Lines of `label: value`, as `info migrate` prints them, and after those what only ramferry knows. */
export function formatSummary(summary: TransferSummary): string {
  return lines(summaryRows(summary));
}

/** The figures in the order in which they are shown. */
export function summaryRows(summary: TransferSummary): Row[] {
  const { ram, compression, pages, chunks } = summary;
  const rows: Row[] = [
    ['Migration status', summary.status],
    ...endRows(summary['stream-end']),
    ['total time', milliseconds(summary['total-time'])],
    ['downtime', summary.downtime === undefined ? 'n/a' : milliseconds(summary.downtime)],
    ['setup', milliseconds(summary['setup-time'])],
    ['transferred ram', kbytes(ram.transferred)],
    ['throughput', `${ram.mbps.toFixed(2)} mbps`],
    ['remaining ram', kbytes(ram.remaining)],
    ['total ram', kbytes(ram.total)],
    ['duplicate', count(ram.duplicate, 'pages')],
    ['skipped', count(ram.skipped, 'pages')],
    ['normal', count(ram.normal, 'pages')],
    ['normal bytes', kbytes(ram['normal-bytes'])],
    ['page size', kbytes(ram['page-size'])],
    ['pages-per-second', String(ram['pages-per-second'])],
  ];
  const shared = summary['shared-memory'];
  if (shared !== undefined) rows.push(...sharedMemoryRows(shared));
  else rows.push(...roundRows(summary));
  if (compression !== undefined) {
    rows.push(
      ['compression pages', count(compression.pages, 'pages')],
      ['compression busy', String(compression.busy)],
      ['compression busy rate', compression['busy-rate'].toFixed(2)],
      ['compressed size', kbytes(compression['compressed-size'])],
      ['compression rate', compression['compression-rate'].toFixed(2)],
    );
  }
  rows.push(
    ['chunks', `${chunks.total} (${chunks.stored} stored)`],
    ['delta', count(pages.delta, 'pages')],
    ['same', count(pages.same, 'pages')],
    ...adaptiveRows(summary),
    ...cacheRows(summary['xbzrle-cache']),
    ['cpu time', `${summary['cpu-seconds'].toFixed(2)} s`],
    ['peak memory', kbytes(summary['peak-memory'])],
  );
  return rows;
}

/** Only a sender knows how its input ended. */
function endRows(end: TransferSummary['stream-end']): Row[] {
  return end === undefined ? [] : [['stream end', end]];
}

/** As `info migrate` has them, and how often the store turned itself off. */
function cacheRows(cache: TransferSummary['xbzrle-cache']): Row[] {
  if (cache === undefined) return [];
  return [
    ['cache size', `${cache['cache-size']} bytes`],
    ['xbzrle transferred', kbytes(cache.bytes)],
    ['xbzrle pages', count(cache.pages, 'pages')],
    ['xbzrle cache miss', count(cache['cache-miss'], 'pages')],
    ['xbzrle cache miss rate', cache['cache-miss-rate'].toFixed(2)],
    ['xbzrle encoding rate', cache['encoding-rate'].toFixed(2)],
    ['xbzrle overflow', String(cache.overflow)],
    ['xbzrle turned off', `${cache['turned-off']} times`],
  ];
}

function sharedMemoryRows(shared: SharedMemoryFigures): Row[] {
  const rows: Row[] = [
    ['dirty sync count', String(shared.rounds)],
    ['guest ram', kbytes(shared['ram-size'])],
  ];
  if (shared['last-round'] !== undefined) rows.push(['last round', milliseconds(shared['last-round'])]);
  if (shared['final-scan'] !== undefined) {
    const perGib = milliseconds(shared['final-scan-per-gib'] ?? 0);
    rows.push(['final scan', `${milliseconds(shared['final-scan'])} (${perGib} a GiB)`]);
  }
  if (shared.verified === true) rows.push(['ram compared', 'identical']);
  return rows;
}

/** What the adaptive mode ended with, and each switch with its reason. */
function adaptiveRows({ adaptive }: TransferSummary): Row[] {
  if (adaptive === undefined) return [];
  const { coding, switches, trials } = adaptive;
  const count = switches.length === 1 ? '1 switch' : `${switches.length} switches`;
  return [
    ['adaptive', `${coding} (${count}, ${trials.count} trials in ${trials['cpu-seconds'].toFixed(3)} s)`],
    ...switches.map((each): Row => {
      const link = each['link-rate'] === undefined ? '' : `link ${formatRate(each['link-rate'])}, `;
      const gain = `${formatRate(each['expected-before'])} -> ${formatRate(each['expected-after'])}`;
      return ['switch', `${each.time} ms: ${each.from} -> ${each.to}: ${each.reason} (${link}${gain})`];
    }),
  ];
}

/** Where rounds were seen. */
function roundRows({ ram, convergence }: TransferSummary): Row[] {
  const { 'dirty-sync-count': rounds = 0, 'dirty-pages-rate': dirty } = ram;
  const rows: Row[] = rounds > 1 ? [['dirty sync count', String(rounds)]] : [];
  if (dirty === undefined || convergence === undefined || convergence.state === 'unknown') return rows;
  const converged = convergence.state === 'converging' ? 'yes' : 'no: the last rounds did not get smaller';
  return [
    ...rows,
    ['dirty pages rate', `${dirty} pages/s`],
    ['carried pages rate', `${convergence['carried-pages-rate']} pages/s`],
    ['converging', converged],
  ];
}

function count(value: number, unit: string): string {
  return `${value} ${unit}`;
}
