// An ESLint rule: no file may import itself through other files, type imports counted.
// `import-x/no-cycle` skips type imports, but a circle of types binds two files together as much as one of values.
// The rule reads the import statements of all sources once, and reports at the first import of each circle.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const TOPS = ['src', 'workers', 'bench', 'lab', 'test'];
const SPECIFIER = /\b(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)\.js'/g;

function sources() {
  return TOPS.flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(ROOT, top, name)),
  );
}

function importsOf(file) {
  return [...readFileSync(file, 'utf8').matchAll(SPECIFIER)].map(
    ([, path]) => `${resolve(dirname(file), path)}.ts`,
  );
}

/** The shortest way from `file` back to itself, or undefined. */
function circleOf(graph, file) {
  const from = new Map([[file, undefined]]);
  for (const current of from.keys()) {
    for (const next of graph.get(current) ?? []) {
      if (next === file) {
        const way = [];
        for (let step = current; step !== undefined; step = from.get(step)) way.unshift(step);
        return [...way, file];
      }
      if (!from.has(next)) from.set(next, current);
    }
  }
  return undefined;
}

let graph;

export const circles = {
  meta: { type: 'problem', messages: { circle: 'Circle of imports: {{way}}.' }, schema: [] },
  create(context) {
    graph ??= new Map(sources().map((file) => [file, importsOf(file)]));
    return {
      Program(node) {
        const way = circleOf(graph, context.filename);
        if (way === undefined) return;
        context.report({
          node: node.body[0] ?? node,
          messageId: 'circle',
          data: { way: way.map((file) => relative(ROOT, file)).join(' -> ') },
        });
      },
    };
  },
};
