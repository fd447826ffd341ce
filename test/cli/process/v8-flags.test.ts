// The V8 flags of the command: later optimisation, where V8 has the flag, and access to garbage collection.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { lateOptimisationFlag } from '../../../src/cli/process/v8-flags.js';

const FLAGS = new URL('../../../src/cli/process/v8-flags.js', import.meta.url).href;
const LOADED = new URL('../../../src/pool/loaded.js', import.meta.url).href;

/** V8's optimisation status of a function after some 400 kB of bytecode, in its own process. Asserts that stderr is empty. */
function statusAfter(...lines: readonly string[]): string {
  const program = [
    `import { setFlagsAgain, setFlagsBetweenLoads, withDefaultFlags } from '${FLAGS}';`,
    `import { tellMoment } from '${LOADED}';`,
    ...lines,
    'function sum(n) { let all = 0; for (let i = 0; i < n; i++) all += i; return all; }',
    'for (let call = 0; call < 20; call++) sum(1000);',
    "process.stdout.write(String((0, eval)('(f) => %GetOptimizationStatus(f)')(sum)));",
  ].join('\n');
  // V8 compiles on the thread itself, at once, so the result does not depend on time.
  const flags = [
    '--allow-natives-syntax',
    '--no-concurrent-recompilation',
    '--no-concurrent-osr',
    '--no-maglev',
  ];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  );
  assert.deepEqual([status, stderr], [0, '']);
  return stdout;
}

describe('setFlagsBetweenLoads', () => {
  it('delays optimisation in the command only, V8 with the flag', () => {
    const ordinary = statusAfter();
    const delayed = statusAfter('setFlagsBetweenLoads();', "tellMoment('loaded');");
    if (lateOptimisationFlag() === undefined) assert.equal(delayed, ordinary);
    else assert.notEqual(delayed, ordinary);
    assert.equal(statusAfter("tellMoment('loaded');"), ordinary);
    assert.equal(statusAfter('setFlagsBetweenLoads();'), ordinary, 'it waits for the threads');
    const warming = statusAfter('setFlagsBetweenLoads();', "tellMoment('warm-up');");
    assert.equal(warming, ordinary, 'a warm-up exists to have functions optimised');
    const alone = statusAfter('setFlagsBetweenLoads();', "tellMoment('alone');");
    assert.equal(alone, delayed, 'no thread loads modules');
    const server = statusAfter(
      'setFlagsBetweenLoads(true);',
      "tellMoment('loaded');",
      "tellMoment('alone');",
    );
    assert.equal(server, ordinary, 'later guests gain from optimised functions');
    const again = ["tellMoment('alone');", 'withDefaultFlags(() => 0);', 'setFlagsAgain();'];
    assert.equal(statusAfter('setFlagsBetweenLoads();', ...again), delayed, 'set again');
    for (const next of ["tellMoment('starting');", "tellMoment('starting'); tellMoment('alone');"]) {
      const loading = statusAfter('setFlagsBetweenLoads();', "tellMoment('alone');", next);
      assert.equal(loading, ordinary, 'a thread loads modules');
    }
  });

  it('sets a flag only on listed V8 versions', () => {
    assert.equal(lateOptimisationFlag('11.3.244.8-node.38'), '--interrupt-budget=1000000');
    for (const version of ['1.13', '12.4.254.21-node.57', '13.6.233.17', '14.6.202.34-node.40', '99.0', '']) {
      assert.equal(lateOptimisationFlag(version), undefined, version);
    }
  });

  it("names a flag that V8's help lists", () => {
    const flag = lateOptimisationFlag();
    if (flag === undefined) return;
    const { stdout } = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    assert.ok(stdout.includes(`${flag.split('=')[0]} (`));
  });
});
