// The figures of `bench`, a column each, and their format in tables for the terminal and for the report.
// The columns that name a row (codec, level, program) precede them and belong to each table. Pure.

import type { BenchRow, DeltaFigures } from '../tune/bench/result.js';
import type { PeerFigures } from '../tune/bench/peers.js';

export interface Column<Row> {
  readonly title: string;
  /** `rate`: bytes per second, shown in MB/s; `spread`: a share; `cpu`: seconds for a GiB, NaN when unknown. */
  readonly kind: 'ratio' | 'rate' | 'spread' | 'cpu';
  readonly value: (row: Row) => number;
}

export const ROW_COLUMNS: readonly Column<BenchRow>[] = [
  { title: 'ratio', kind: 'ratio', value: ({ ratio }) => ratio },
  { title: 'compress MB/s', kind: 'rate', value: ({ compress }) => compress.best },
  { title: '±', kind: 'spread', value: ({ compress }) => compress.spread },
  { title: 'CPU s/GiB', kind: 'cpu', value: ({ compressCpuPerGiB }) => compressCpuPerGiB },
  { title: 'decompress MB/s', kind: 'rate', value: ({ decompress }) => decompress.best },
  { title: '±', kind: 'spread', value: ({ decompress }) => decompress.spread },
  { title: 'CPU s/GiB', kind: 'cpu', value: ({ decompressCpuPerGiB }) => decompressCpuPerGiB },
];

export const DELTA_COLUMNS: readonly Column<DeltaFigures['rows'][number]>[] = [
  { title: 'ratio', kind: 'ratio', value: ({ plain }) => plain.ratio },
  { title: 'with deltas', kind: 'ratio', value: ({ delta }) => delta.ratio },
  { title: 'compress MB/s', kind: 'rate', value: ({ plain }) => plain.compress.best },
  { title: 'with deltas', kind: 'rate', value: ({ delta }) => delta.compress.best },
  { title: 'decompress MB/s', kind: 'rate', value: ({ plain }) => plain.decompress.best },
  { title: 'with deltas', kind: 'rate', value: ({ delta }) => delta.decompress.best },
];

export const PEER_COLUMNS: readonly Column<PeerFigures>[] = [
  { title: 'ratio', kind: 'ratio', value: ({ ratio }) => ratio },
  { title: 'compress MB/s', kind: 'rate', value: ({ compressRate }) => compressRate },
  { title: '±', kind: 'spread', value: ({ spread }) => spread },
  { title: 'decompress MB/s', kind: 'rate', value: ({ decompressRate }) => decompressRate },
  { title: 'CPU s/GiB, both', kind: 'cpu', value: ({ cpuPerGiB }) => cpuPerGiB },
];

/** Meaning of the column `±`. */
export const ABOUT_SPREAD = '± is how much slower the slowest was.';
/** Note below the other programs' figures. */
export const ABOUT_PEERS = 'From file to file, their start included.';

export function titles<Row>(columns: readonly Column<Row>[]): string[] {
  return columns.map(({ title }) => title);
}

/** Cells for the terminal. */
export function textCells<Row>(columns: readonly Column<Row>[], row: Row): string[] {
  return columns.map((column) => text(column, row, 2));
}

/** Cells for the report: numbers for numeric figures, otherwise text. */
export function cells<Row>(columns: readonly Column<Row>[], row: Row): (string | number)[] {
  return columns.map((column) => {
    const shown = text(column, row, 3);
    return Number.isNaN(Number(shown)) ? shown : Number(shown);
  });
}

function text<Row>({ kind, value }: Column<Row>, row: Row, ratioDigits: number): string {
  const figure = value(row);
  if (Number.isNaN(figure)) return 'n/a';
  switch (kind) {
    case 'ratio':
      return figure.toFixed(ratioDigits);
    case 'rate':
      return String(Math.round(figure / 1e6));
    case 'spread':
      return `${Math.round(figure * 100)} %`;
    case 'cpu':
      return figure.toFixed(2);
  }
}
