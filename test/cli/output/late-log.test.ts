// A log that opens late.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LateLog } from '../../../src/cli/output/late-log.js';
import { RamferryError } from '../../../src/errors.js';

describe('LateLog', () => {
  it('writes the lines in order, those from before its opening first', async () => {
    const lines: string[] = [];
    let opened = 0;
    const log = new LateLog(() => {
      opened += 1;
      return Promise.resolve({
        info: (fields, message) => lines.push(`${message} ${JSON.stringify(fields)}`),
        warn: (message) => lines.push(message),
        error: (error) => lines.push(error.code),
      });
    });
    log.info({ a: 1 }, 'first');
    log.error(new RamferryError('ERR_INTERNAL', 'second'));
    log.first({}, 'before all');
    assert.deepEqual(lines, []);
    await Promise.all([log.open(), log.open()]);
    log.warn('third');
    assert.deepEqual(lines, ['before all {}', 'first {"a":1}', 'ERR_INTERNAL', 'third']);
    assert.equal(opened, 1);
  });
});
