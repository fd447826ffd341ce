// Tables for the terminal. Pure: cells in, text out, without a newline at the end.

import Table from 'cli-table3';

import type { Row } from './rows.js';

/** @param left indices of the left-aligned columns, from 0; the others are right-aligned */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  left: readonly number[] = [0],
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (left.includes(column) ? 'left' : 'right')),
    // No colours and no lines between the rows, since the table is also written to files.
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** Columns of labelled figures, as in QEMU's compression documentation. A missing figure reads n/a. */
export function sideBySide(columns: readonly { title: string; rows: readonly Row[] }[]): string {
  const tables = columns.map(({ rows }) => new Map(rows));
  const labels = [...new Set(tables.flatMap((rows) => [...rows.keys()]))];
  return textTable(
    ['', ...columns.map(({ title }) => title)],
    labels.map((label) => [label, ...tables.map((rows) => rows.get(label) ?? 'n/a')]),
  );
}
