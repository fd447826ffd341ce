// The command has V8 optimise functions later; a program that embeds ramferry keeps its own settings.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const MODULE = new URL('../../src/pool/compile-later.js', import.meta.url).href;

/** V8's word on a function that has run some 400 kB of bytecode: its optimisation status, in a process of its own. */
function statusAfter(...lines: readonly string[]): string {
  const program = [
    `import { compileLater, ownProcess } from '${MODULE}';`,
    ...lines,
    'function sum(n) { let all = 0; for (let i = 0; i < n; i++) all += i; return all; }',
    'for (let call = 0; call < 20; call++) sum(1000);',
    "process.stdout.write(String((0, eval)('(f) => %GetOptimizationStatus(f)')(sum)));",
  ].join('\n');
  // Compiled on the thread itself, at once: nothing here depends on time.
  const flags = [
    '--allow-natives-syntax',
    '--no-concurrent-recompilation',
    '--no-concurrent-osr',
    '--no-maglev',
  ];
  return execFileSync(process.execPath, [...flags, '--input-type=module', '-e', program], {
    encoding: 'utf8',
  });
}

test('the command has functions optimised later, a program that embeds us does not', () => {
  const ordinary = statusAfter();
  assert.notEqual(statusAfter('ownProcess();', 'compileLater();'), ordinary);
  assert.equal(statusAfter('compileLater();'), ordinary);
  assert.equal(statusAfter('ownProcess();'), ordinary, 'it waits for the threads');
});
