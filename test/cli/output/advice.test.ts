import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { adviceFor } from '../../../src/cli/output/advice.js';
import { ERROR_CODES, isErrorCode } from '../../../src/errors.js';

describe('adviceFor', () => {
  it('says in a line of 80 columns what to do about each error, and nothing about signals', () => {
    for (const code of Object.keys(ERROR_CODES).filter(isErrorCode)) {
      const advice = adviceFor(code);
      if (code === 'ERR_INTERRUPTED' || code === 'ERR_TERMINATED') assert.equal(advice, undefined);
      else assert.ok(advice !== undefined && `hint: ${advice}`.length <= 80, `${code}: ${advice}`);
    }
  });
});
