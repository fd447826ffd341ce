// The report as one self-contained page: it includes style, data, chart library and drawing script.
// File names are untrusted, so every text goes through escape(), and data through JSON that cannot end its script
// element. Without scripts, the tables still have all figures.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import type { Chart } from './chart.js';
import type { ReportData, Rows } from './data.js';
import { DRAW } from './draw-script.js';
import { STYLE } from './style.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** JSON for a script element: it contains no `<`, so it cannot begin or end a tag. */
export function embed(data: unknown): string {
  return JSON.stringify(data)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');
}

/** The chart library's script, read from the installed package. */
function chartLibrary(): string {
  const entry = createRequire(import.meta.url).resolve('chart.js');
  const source = readFileSync(join(dirname(entry), 'chart.umd.min.js'), 'utf8');
  // The source map's URL is removed, so that a browser's developer tools fetch nothing.
  return source.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '').replace(/<\/script/gi, '<\\/script');
}

export function reportPage(data: ReportData): string {
  const { title, summary, commands, charts, tables, about } = data;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escape(title)}</h1>
${summary.map((line) => `<p>${escape(line)}</p>`).join('\n')}
${commands.length === 0 ? '' : `<pre class="commands">${commands.map(escape).join('\n')}</pre>`}
<div class="charts">
${charts.map(figure).join('\n')}
</div>
${tables.map(table).join('\n')}
<footer>${escape(about)}</footer>
</main>
<script>${chartLibrary()}</script>
<script type="application/json" id="data">${embed({ charts })}</script>
<script>${DRAW}</script>
</body>
</html>
`;
}

function figure({ id, title, text }: Chart): string {
  return `<figure><figcaption>${escape(title)}</figcaption><div class="canvas"><canvas id="chart-${escape(id)}" role="img" aria-label="${escape(text)}"></canvas></div></figure>`;
}

function table({ title, columns, rows, note }: Rows): string {
  const head = columns.map((column) => `<th scope="col">${escape(column)}</th>`).join('');
  const digits = columns.map((_, at) => Math.max(...rows.map((row) => decimalsOf(row[at]))));
  const body = rows
    .map((row) => `<tr>${row.map((cell, at) => tableCell(cell, digits[at]!)).join('')}</tr>`)
    .join('\n');
  return `<section><h2>${escape(title)}</h2><div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>
${body}
</tbody></table></div>${note === undefined ? '' : `<p class="note">${escape(note)}</p>`}</section>`;
}

/** The decimals of a column's figures are as many as its most precise one has, so that they stand below each other. */
function tableCell(cell: string | number, digits: number): string {
  return typeof cell === 'number'
    ? `<td class="number">${cell.toFixed(digits)}</td>`
    : `<td>${escape(cell)}</td>`;
}

function decimalsOf(cell: string | number | undefined): number {
  return typeof cell === 'number' ? (String(cell).split('.')[1]?.length ?? 0) : 0;
}
