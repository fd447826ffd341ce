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
import { paragraph, textTable } from './table.js';
import { memoryLine } from './tune.js';

/** @param width most characters in a line */
export function formatBench(result: BenchResult, width?: number): string {
  const { rows, peers, repetitions } = result;
  const about = ['codec', 'level', 'chunk', 'threads'];
  const prose = (line: string): string => paragraph(line, width);
  return [
    prose(aboutBench(result)),
    table({ about, columns: ROW_COLUMNS, width }, rows, (row) => [
      ...coding(row),
      formatSize(row.chunkSize).replace('.0 ', ' '),
      row.threads,
    ]),
    `Best of ${repetitions}; ${ABOUT_SPREAD}`,
    ...busyLines(result.host.load).map(prose),
    ...deltaLines(result, width),
    ...peerLines(peers, width),
    prose(memoryLine(result)),
  ].join('\n');
}

/** Input, sample and host of the measurement, in two sentences. */
export function aboutBench({ input, sample, host, peakMemory }: BenchResult): string {
  return (
    `${formatSize(input.bytes)} (${input.kind}), ${sample.regions} regions (${formatSize(sample.bytes)}) of it; ` +
    `${host.cpus} CPUs; peak memory ${formatSize(peakMemory)}. MB/s of guest memory.`
  );
}

function deltaLines({ delta }: BenchResult, width?: number): string[] {
  if (delta === undefined) return [];
  const about = ['pages sent again', 'level'];
  const rows = table({ about, columns: DELTA_COLUMNS, width }, delta.rows, ({ plain }) => coding(plain));
  return ['', rows, paragraph(aboutDelta(delta), width)];
}

/** The changed pages of the delta measurement, in one sentence. */
export function aboutDelta({ before, changed, bytes }: DeltaFigures): string {
  return (
    `${(changed * 100).toFixed(1)} % of the pages differ from ${before}; ${formatSize(bytes)} of them measured, in one thread, ` +
    'whole and against a page store that holds the older contents.'
  );
}

function peerLines(peers: BenchResult['peers'], width?: number): string[] {
  if (peers.length === 0) return [];
  const rows = table({ about: ['other programs'], columns: PEER_COLUMNS, width }, peers, ({ name }) => [
    name,
  ]);
  return ['', rows, ABOUT_PEERS];
}

function coding({ codec, level }: BenchRow): (string | number)[] {
  return [codec, codec === 'none' ? '-' : level];
}

interface Layout<Row> {
  /** Titles of the columns that name a row, in front of its figures. */
  readonly about: readonly string[];
  readonly columns: readonly Column<Row>[];
  readonly width: number | undefined;
}

/** @param cells contents of the columns that name a row */
function table<Row>(
  { about, columns, width }: Layout<Row>,
  rows: readonly Row[],
  cells: (row: Row) => (string | number)[],
): string {
  const lines = rows.map((row) => [...cells(row), ...textCells(columns, row)]);
  return textTable([...about, ...titles(columns)], lines, [0], width, about.length);
}
