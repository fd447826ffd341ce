// Summaries of several transfers side by side, as the tables of QEMU's compression documentation are.
// Pure: plain data in, text out, without a newline at the end.

import type { TransferSummary } from '../transfer/statistics/summary.js';
import type { Row } from './rows.js';
import { summaryRows } from './summary.js';
import { textTable } from './table.js';

/** The figures of formatSummary as a table, one column for each summary; a figure that one of them lacks reads n/a. */
export function formatComparison(columns: readonly { title: string; summary: TransferSummary }[]): string {
  return sideBySide(columns.map(({ title, summary }) => ({ title, rows: summaryRows(summary) })));
}

/** Any rows side by side. */
export function sideBySide(columns: readonly { title: string; rows: readonly Row[] }[]): string {
  const tables = columns.map(({ rows }) => new Map(rows));
  const labels = [...new Set(tables.flatMap((rows) => [...rows.keys()]))];
  return textTable(
    ['', ...columns.map(({ title }) => title)],
    labels.map((label) => [label, ...tables.map((rows) => rows.get(label) ?? 'n/a')]),
  );
}
