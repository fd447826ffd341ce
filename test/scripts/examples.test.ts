// The examples in the API's doc comments: each compiles against the shipped typings and runs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

import * as api from '../../src/index.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TYPINGS = path.join(ROOT, 'dist/src/index.d.ts');
const TIME_LIMIT_MS = 120_000;

/** The fenced code of each `@example`, by file and line. */
function examples(): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const text = fs.readFileSync(path.join(ROOT, 'src', name), 'utf8');
    for (const match of text.matchAll(/@example\n \* ```ts\n([^]*?) \* ```/g)) {
      const line = text.slice(0, match.index).split('\n').length;
      found.set(`src/${name}:${line}`, match[1]!.replace(/^ \* ?/gm, ''));
    }
  }
  return found;
}

describe('examples of the API', { skip: !fs.existsSync(TYPINGS) && 'no typings: built without tsc' }, () => {
  const all = examples();
  // Inside the package, so that an import of its own name resolves to the shipped files.
  const folder = fs.mkdtempSync(path.join(ROOT, 'dist/examples-'));
  const sources = [...all.values()].map((code, index) => {
    const source = path.join(folder, `example-${index}.ts`);
    fs.writeFileSync(source, code);
    return source;
  });

  before(() => api.writeImage(path.join(folder, 'guest.ram'), { bytes: 1 << 20, seed: 1, profile: 'busy' }));
  after(() => fs.rmSync(folder, { recursive: true }));

  it('exist for every function', () => {
    const text = [...all.values()].join('\n');
    for (const [name, value] of Object.entries(api)) {
      if (typeof value !== 'function' || value === api.RamferryError) continue;
      assert.match(text, new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from 'ramferry'`), name);
    }
  });

  it('compile against the typings', () => {
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
    };
    const program = ts.createProgram(sources, options);
    const said = ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => ROOT,
      getNewLine: () => '\n',
    });
    assert.equal(said, '');
    program.emit();
  });

  for (const [index, where] of [...all.keys()].entries()) {
    it(`run without an error: ${where}`, { timeout: TIME_LIMIT_MS }, () => {
      for (const name of ['guest.rf', 'restored.ram', 'generated.rf', 'idle.ram']) {
        fs.rmSync(path.join(folder, name), { force: true });
      }
      const script = path.join(folder, `example-${index}.js`);
      const ran = spawnSync(process.execPath, [script], { cwd: folder, encoding: 'utf8' });
      assert.equal(ran.status, 0, ran.stderr);
      assert.doesNotMatch(ran.stderr, /Assertion failed/);
    });
  }
});
