// A table of states of conversation version 2, as docs/FORMAT.md has it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page = readFileSync(join(import.meta.dirname, '../../../../docs/FORMAT.md'), 'utf8');

/** Rows by what comes, then states. @param heading of the part that has the table */
export function stateTable(heading: string): { states: string[]; rows: string[][] } {
  const part = page.slice(page.indexOf(heading));
  const lines = part.slice(part.indexOf('| comes')).split('\n');
  const rows = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('|')),
  );
  const [head, , ...body] = rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((text) => text.trim()),
  );
  return { states: head!.slice(1), rows: body };
}
