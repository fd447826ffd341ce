import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';

import { withDeadline } from '../../../src/os/time/deadline.js';

const never = new Promise<string>(() => undefined);

describe('withDeadline', () => {
  it('resolves with the value, promise resolves in time', async () => {
    assert.equal(await withDeadline(Promise.resolve('value'), 10_000, () => 'late'), 'value');
  });

  it('rejects with the reason, promise rejects in time', async () => {
    await assert.rejects(
      withDeadline(Promise.reject(new Error('broken')), 10_000, () => 'late'),
      /broken/,
    );
  });

  it('resolves with the result of onLate, deadline passed', async () => {
    assert.equal(await withDeadline(never, 1, () => 'late'), 'late');
  });

  it('rejects with the error of onLate, onLate throws', async () => {
    const fail = (): never => {
      throw new Error('too late');
    };
    await assert.rejects(withDeadline(never, 1, fail), /too late/);
  });

  it('leaves no timer that keeps the process alive', () => {
    const module = new URL('../../../src/os/time/deadline.js', import.meta.url).href;
    const program = `import { withDeadline } from ${JSON.stringify(module)}; await withDeadline(Promise.resolve(), 100_000, () => 0);`;
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 });
  });
});
