// The converter from the API's names to those of `--json`.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { kebabKeys } from '../../../src/transfer/statistics/kebab-keys.js';

describe('kebabKeys', () => {
  it('renames keys at every depth and keeps order and values', () => {
    const figures = {
      finalScanPerGib: 3,
      ram: { dirtySyncCount: 1, name: 'notAKey' },
      switches: [{ linkRate: 5 }, null],
    };
    assert.equal(
      JSON.stringify(kebabKeys(figures)),
      '{"final-scan-per-gib":3,"ram":{"dirty-sync-count":1,"name":"notAKey"},"switches":[{"link-rate":5},null]}',
    );
  });

  it('gives typed names', () => {
    const ram: { readonly 'dirty-sync-count': number } = kebabKeys({ dirtySyncCount: 2 });
    assert.equal(ram['dirty-sync-count'], 2);
  });
});
