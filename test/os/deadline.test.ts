import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';

import { withDeadline } from '../../src/os/deadline.js';

const never = new Promise<string>(() => undefined);

describe('withDeadline', () => {
  it('gives the value of a promise that settles in time', async () => {
    assert.equal(await withDeadline(Promise.resolve('value'), 10_000, () => 'late'), 'value');
  });

  it('rejects with the reason of a promise that rejects in time', async () => {
    await assert.rejects(
      withDeadline(Promise.reject(new Error('broken')), 10_000, () => 'late'),
      /broken/,
    );
  });

  it('gives the result of onLate when the time is over', async () => {
    assert.equal(await withDeadline(never, 1, () => 'late'), 'late');
  });

  it('rejects with what onLate throws', async () => {
    const fail = (): never => {
      throw new Error('too late');
    };
    await assert.rejects(withDeadline(never, 1, fail), /too late/);
  });

  it('leaves no timer behind that keeps the process', () => {
    const module = new URL('../../src/os/deadline.js', import.meta.url).href;
    const program = `import { withDeadline } from ${JSON.stringify(module)}; await withDeadline(Promise.resolve(), 100_000, () => 0);`;
    execFileSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 });
  });
});
