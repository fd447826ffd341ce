// Tables for the terminal. Pure: cells in, text out, without a newline at the end. A table that is wider than the terminal loses its
// lines, then wraps long texts, and is at last split: the columns that name the rows begin each part.

import Table from 'cli-table3';

import type { Row } from './rows.js';

/** Columns of a terminal, and of text that is written to a file. */
export const TERMINAL_WIDTH = 80;
/** Cells of up to so many characters are never wrapped. */
const SHORT_CELL = 20;
/** Characters between two columns without lines; one, where that saves splitting the table. */
const GAPS = [2, 1] as const;

interface Column {
  readonly index: number;
  readonly isLeft: boolean;
  /** Characters that the column needs at least, and those with which nothing is wrapped. */
  readonly least: number;
  readonly natural: number;
}

/**
 * @param left indices of the left-aligned columns, from 0; the others are right-aligned
 * @param width most characters in a line
 * @param names the first so many columns name a row, and are repeated where the table is split
 */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  left: readonly number[] = [0],
  width = TERMINAL_WIDTH,
  names = 1,
): string {
  const table = [head, ...rows.map((row) => row.map(String))];
  const columns = head.map((_, index): Column => columnOf(table, index, left.includes(index)));
  // Two blanks and a line for each column, and the last line.
  const boxed = columns.reduce((sum, { natural }) => sum + natural + 3, 1);
  if (boxed <= width) return withLines(head, rows, columns);
  const gap = GAPS.find((each) => groupsOf(columns, { width, names, gap: each }).length === 1) ?? GAPS[0];
  return groupsOf(columns, { width, names, gap })
    .map((group) => withoutLines(table, group, { width, gap }))
    .join('\n\n');
}

/** Prose in lines of at most `width` characters, at blanks where it has them. */
export function paragraph(text: string, width = TERMINAL_WIDTH): string {
  return wrapped(text, Math.max(1, width)).join('\n');
}

/** Columns of labelled figures, as in QEMU's compression documentation. A missing figure reads n/a. */
export function sideBySide(
  columns: readonly { title: string; rows: readonly Row[] }[],
  width = TERMINAL_WIDTH,
): string {
  const tables = columns.map(({ rows }) => new Map(rows));
  const labels = [...new Set(tables.flatMap((rows) => [...rows.keys()]))];
  return textTable(
    ['', ...columns.map(({ title }) => title)],
    labels.map((label) => [label, ...tables.map((rows) => rows.get(label) ?? 'n/a')]),
    [0],
    width,
  );
}

function columnOf(table: readonly (readonly string[])[], index: number, isLeft: boolean): Column {
  const [head = '', ...body] = table.map((row) => row[index] ?? '');
  const least = body.map((cell) => (cell.length <= SHORT_CELL ? cell.length : SHORT_CELL));
  return {
    index,
    isLeft,
    least: Math.max(1, longestWord(head), ...least),
    natural: Math.max(1, head.length, ...body.map((cell) => cell.length)),
  };
}

function longestWord(text: string): number {
  return Math.max(0, ...text.split(' ').map((word) => word.length));
}

function withLines(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  columns: readonly Column[],
): string {
  const table = new Table({
    head: [...head],
    colAligns: columns.map(({ isLeft }) => (isLeft ? 'left' : 'right')),
    // No colours and no lines between the rows, since the table is also written to files.
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

interface Spacing {
  readonly width: number;
  /** Characters between two columns. */
  readonly gap: number;
}

/** Parts of which each fits, with the columns that name a row in front of each. */
function groupsOf(columns: readonly Column[], spacing: Spacing & { names: number }): Column[][] {
  const { width, gap, names } = spacing;
  const naming = columns.slice(0, names);
  const namesWidth = naming.reduce((sum, { least }) => sum + least + gap, -gap);
  const groups: Column[][] = [];
  let group = naming;
  let used = namesWidth;
  for (const column of columns.slice(names)) {
    if (used + gap + column.least > width && group.length > names) {
      groups.push(group);
      group = naming;
      used = namesWidth;
    }
    group = [...group, column];
    used += gap + column.least;
  }
  return [...groups, group];
}

function withoutLines(
  table: readonly (readonly string[])[],
  group: readonly Column[],
  { width, gap }: Spacing,
): string {
  const widths = widthsOf(group, { width, gap });
  return table
    .map((row, line) => {
      const cells = group.map(({ index }, at) => wrapped(row[index] ?? '', widths[at]!));
      const height = Math.max(...cells.map((each) => each.length));
      // Heads stand on the row below them.
      const shown =
        line === 0 ? cells.map((each) => [...Array<string>(height - each.length).fill(''), ...each]) : cells;
      return Array.from({ length: height }, (_, at) => {
        const texts = group.map(({ isLeft }, column) => {
          const text = shown[column]![at] ?? '';
          return isLeft ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
        });
        return texts.join(' '.repeat(gap)).trimEnd();
      }).join('\n');
    })
    .join('\n');
}

/** The columns' widths: what is left of the line goes to those that would wrap, from the left. */
function widthsOf(group: readonly Column[], { width, gap }: Spacing): number[] {
  let spare = width - group.reduce((sum, { least }) => sum + least + gap, -gap);
  return group.map(({ least, natural }) => {
    const more = Math.max(0, Math.min(natural - least, spare));
    spare -= more;
    return least + more;
  });
}

/** The text in lines of at most `width` characters, at blanks where it has them. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
    for (; line.length > width; line = line.slice(width)) lines.push(line.slice(0, width));
  }
  return [...lines, line];
}
