// A command whose promise never settles: the process reports it and exits with 1 on every Node version, not silently with 13.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const MODULE = join(import.meta.dirname, '../../../src/cli/process/standstill.js');

function run(command: string, json: boolean): { status: number | null; stderr: string } {
  const script = `const { guardStandstill } = await import(${JSON.stringify(MODULE)});
    process.exitCode = await guardStandstill(${command}, ${json});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stderr };
}

describe('guardStandstill', () => {
  it('reports an unsettled command in text and JSON, empty event loop', () => {
    const text = run('() => new Promise(() => {})', false);
    assert.equal(text.status, 1);
    assert.match(text.stderr, /^ramferry: ERR_INTERNAL: the command came to a standstill/);
    const { status, stderr } = run('() => new Promise(() => {})', true);
    assert.equal(status, 1);
    const { code, exit_code } = JSON.parse(stderr) as { code: string; exit_code: number };
    assert.deepEqual({ code, exit_code }, { code: 'ERR_INTERNAL', exit_code: 1 });
  });

  it('does not change a command that settles', () => {
    assert.deepEqual(run('() => new Promise((done) => setTimeout(done, 5, 7))', false), {
      status: 7,
      stderr: '',
    });
  });
});
