// The limits that `features` shows are those of the options.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { features } from '../../src/transfer/features.js';
import { resolveSendOptions } from '../../src/options/transfer.js';
import { LIMITS } from '../../src/options/limits.js';

describe('features', () => {
  it('shows every limit of the options', () => {
    const { limits } = features();
    for (const [name, range] of Object.entries(LIMITS)) assert.deepEqual(limits[name], range, name);
  });

  it('shows limits that the options accept, and reject beyond', () => {
    const { limits } = features();
    for (const option of ['chunkSize', 'window', 'flushAfter', 'downtimeLimit'] as const) {
      const { min, max } = limits[option]!;
      const given = (value: number): unknown =>
        resolveSendOptions({ input: 'a', output: 'b', [option]: value });
      for (const value of [min, max]) assert.doesNotThrow(() => given(value), option);
      for (const value of [min - 1, max + 1])
        assert.throws(() => given(value), { code: 'ERR_OPTION_INVALID' }, option);
    }
  });
});
