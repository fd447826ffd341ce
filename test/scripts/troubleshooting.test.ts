// docs/TROUBLESHOOTING.md: a section for each error code, because users look it up there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { ERROR_CODES } from '../../src/errors.js';

describe('docs/TROUBLESHOOTING.md', () => {
  it('has a section for each code, and no other', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../docs/TROUBLESHOOTING.md'), 'utf8');
    const sections = [...text.matchAll(/^### (ERR_\w+)$/gm)].map(([, code]) => code);
    assert.deepEqual(sections.sort(), Object.keys(ERROR_CODES).sort());
  });
});
