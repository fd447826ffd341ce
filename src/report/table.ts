// A table for the terminal. Pure: cells in, text out, without a newline at the end.

import Table from 'cli-table3';

/** @param left columns that stand at the left, from 0; figures stand at the right */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  left: readonly number[] = [0],
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (left.includes(column) ? 'left' : 'right')),
    // No colours and no lines between the rows: this is also written to files.
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}
