// Threads that end while they load. RAMFERRY_EARLY_ENDS sets how many pools start and end.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const COUNT = Number(process.env['RAMFERRY_EARLY_ENDS'] ?? 60);

describe('OrderedPool that closes at a random moment', () => {
  it(`fails with a typed error and leaves the process alive, ${COUNT} times`, () => {
    const program = join(import.meta.dirname, 'early-ends.js');
    const child = spawnSync(process.execPath, [program, String(COUNT)], { encoding: 'utf8' });
    assert.equal(child.signal, null, child.stderr);
    assert.equal(child.status, 0, child.stderr);
    assert.deepEqual(JSON.parse(child.stdout), { ERR_LINK_CLOSED: COUNT });
  });
});
