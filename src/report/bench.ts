// The result of `bench` as a table for people. Pure: plain data in, text out, without a newline at the end.

import type { BenchResult, BenchRow, DeltaFigures } from '../tune/bench/result.js';
import { formatSize } from '../units.js';
import {
  ABOUT_PEERS,
  ABOUT_SPREAD,
  type Column,
  DELTA_COLUMNS,
  PEER_COLUMNS,
  ROW_COLUMNS,
  textCells,
  titles,
} from './bench-columns.js';
import { busyLines } from './host-load.js';
import { textTable } from './table.js';
import { memoryLine } from './tune.js';

export function formatBench(result: BenchResult): string {
  const { rows, peers, repetitions } = result;
  const about = ['codec', 'level', 'chunk', 'threads'];
  return [
    aboutBench(result),
    table(about, ROW_COLUMNS, rows, (row) => [
      ...coding(row),
      formatSize(row.chunkSize).replace('.0 ', ' '),
      row.threads,
    ]),
    `Best of ${repetitions}; ${ABOUT_SPREAD}`,
    ...busyLines(result.host.load),
    ...deltaLines(result),
    ...peerLines(peers),
    memoryLine(result),
  ].join('\n');
}

/** Input, sample and host of the measurement, in two sentences. */
export function aboutBench({ input, sample, host, peakMemory }: BenchResult): string {
  return (
    `${formatSize(input.bytes)} (${input.kind}), ${sample.regions} regions (${formatSize(sample.bytes)}) of it; ` +
    `${host.cpus} CPUs; peak memory ${formatSize(peakMemory)}. MB/s of guest memory.`
  );
}

function deltaLines({ delta }: BenchResult): string[] {
  if (delta === undefined) return [];
  const about = ['pages sent again', 'level'];
  return ['', table(about, DELTA_COLUMNS, delta.rows, ({ plain }) => coding(plain)), aboutDelta(delta)];
}

/** The changed pages of the delta measurement, in one sentence. */
export function aboutDelta({ before, changed, bytes }: DeltaFigures): string {
  return (
    `${(changed * 100).toFixed(1)} % of the pages differ from ${before}; ${formatSize(bytes)} of them measured, in one thread, ` +
    'whole and against a page store that holds the older contents.'
  );
}

function peerLines(peers: BenchResult['peers']): string[] {
  if (peers.length === 0) return [];
  return ['', table(['other programs'], PEER_COLUMNS, peers, ({ name }) => [name]), ABOUT_PEERS];
}

function coding({ codec, level }: BenchRow): (string | number)[] {
  return [codec, codec === 'none' ? '-' : level];
}

/** @param about titles of the columns that name a row, in front of its figures; `cells` gives their contents */
function table<Row>(
  about: readonly string[],
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  cells: (row: Row) => (string | number)[],
): string {
  return textTable(
    [...about, ...titles(columns)],
    rows.map((row) => [...cells(row), ...textCells(columns, row)]),
  );
}
