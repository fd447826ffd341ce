// The reports of the simulated guest as text for people, in the words of QEMU's `info migrate`.
// Pure: plain data in, text out, without a newline at the end.

import type { Comparison, CompareSummary, Migration } from '../guest/compare.js';
import type { DestinationSummary } from '../guest/destination.js';
import type { RoundStatistics } from '../guest/precopy.js';
import type { SourceSummary } from '../guest/source.js';
import { PAGE_BYTES } from '../page/size.js';
import { formatDuration, formatRate, formatSize } from '../units.js';
import { kbytes, lines, milliseconds, type Row } from './rows.js';
import { sideBySide } from './table.js';

/** One round of pre-copy, in one line. */
export function formatRound(round: RoundStatistics): string {
  const { pages, bytes, throughput, dirtyRate } = round;
  const what = round.paused ? 'last round (paused)' : `round ${round.round}`;
  const sent = `${pages} pages, ${formatSize(bytes)} in ${formatDuration(round.milliseconds)}`;
  if (round.paused) return `${what}: ${sent}`;
  const rate = Number.isFinite(throughput) ? ` (${formatRate(throughput)})` : '';
  return (
    `${what}: ${sent}${rate}; dirty pages rate ${Math.round(dirtyRate)} pages/s ` +
    `(${formatRate(dirtyRate * PAGE_BYTES)}), expected downtime ${formatDuration(round.expectedDowntime)}`
  );
}

export function formatSource(summary: SourceSummary): string {
  return lines(sourceRows(summary));
}

function sourceRows(summary: SourceSummary): Row[] {
  const { ram } = summary;
  return [
    ['Migration status', summary.status],
    ['total time', milliseconds(summary['total-time'])],
    ['downtime', milliseconds(summary.downtime) + (summary.acknowledged ? '' : ' (not acknowledged)')],
    ['transferred ram', kbytes(ram.transferred)],
    ['throughput', `${ram.mbps.toFixed(2)} mbps`],
    ['total ram', kbytes(ram.total)],
    ['pages sent', String(ram.pages)],
    ['dirty sync count', String(ram['dirty-sync-count'])],
    ['dirty pages rate', `${ram['dirty-pages-rate']} pages/s`],
    ['converged', summary.converged ? 'yes' : 'no'],
    ['cpu time', `${summary['cpu-seconds'].toFixed(2)} s`],
    ['peak memory', kbytes(summary['peak-memory'])],
  ];
}

export function formatDestination(summary: DestinationSummary): string {
  const { ram, format } = summary;
  return lines([
    ['Migration status', summary.status],
    ['format', format],
    ['total time', milliseconds(summary['total-time'])],
    ['transferred ram', kbytes(ram.transferred)],
    ['total ram', kbytes(ram.total)],
    ['pages', String(ram.pages)],
    ['dirty sync count', String(ram['dirty-sync-count'])],
    ['ram compared', comparison(summary)],
    ['cpu time', `${summary['cpu-seconds'].toFixed(2)} s`],
    ['peak memory', kbytes(summary['peak-memory'])],
  ]);
}

function comparison({ verified, acknowledged }: DestinationSummary): string {
  if (verified) return "equal to the source's";
  return acknowledged ? 'by the source' : 'no: the stream does not say what it must be';
}

/** The two tables of QEMU's docs/multi-thread-compression.txt; below each table the quotients without / with. */
export function formatComparisons({ shaping, link, comparisons }: CompareSummary, width?: number): string {
  const how = shaping === 'tc' ? 'tc between two network namespaces' : "the sender's max-bandwidth";
  return [
    `link: ${formatRate(link)}, limited by ${how}`,
    ...comparisons.map((each) => formatMigrations(each, width)),
  ].join('\n\n');
}

const TITLES = { idle: 'idle guest', writer: 'guest that writes' } as const;

function formatMigrations({ load, without, with: compressed }: Comparison, width?: number): string {
  const columns = [
    { title: 'without', rows: migrationRows(without) },
    { title: 'with', rows: migrationRows(compressed) },
  ];
  const table = sideBySide(columns, width);
  const times = (figure: (migration: Migration) => number): string =>
    `${(figure(without) / figure(compressed)).toFixed(2)} x`;
  return (
    `${TITLES[load]}\n${table}\n` +
    `without / with: total time ${times(({ source }) => source['total-time'])}, ` +
    `downtime ${times(({ source }) => source.downtime)}, transferred ram ${times(transferred)}`
  );
}

/** Bytes on the link. */
function transferred({ source, send }: Migration): number {
  return send?.ram.transferred ?? source.ram.transferred;
}

function migrationRows(migration: Migration): Row[] {
  const { source, destination, send, receive } = migration;
  const ferry = [send, receive].filter((each) => each !== undefined);
  const mbps = (transferred(migration) * 8) / 1000 / source['total-time'];
  return [
    ['total time', milliseconds(source['total-time'])],
    ['downtime', milliseconds(source.downtime)],
    ['transferred ram', kbytes(transferred(migration))],
    ['throughput', `${mbps.toFixed(2)} mbps`],
    ['total ram', kbytes(source.ram.total)],
    ['rounds (dirty sync count)', String(source.ram['dirty-sync-count'])],
    ['converged', source.converged ? 'yes' : 'no'],
    ['cpu time of send and receive', `${cpuTime(ferry)} s`],
    ['cpu time of the guest, both ends', `${cpuTime([source, destination])} s`],
    ['peak memory of send', send === undefined ? 'n/a' : kbytes(send['peak-memory'])],
    ['peak memory of receive', receive === undefined ? 'n/a' : kbytes(receive['peak-memory'])],
  ];
}

function cpuTime(parts: readonly { readonly 'cpu-seconds': number }[]): string {
  return parts.reduce((sum, part) => sum + part['cpu-seconds'], 0).toFixed(2);
}
