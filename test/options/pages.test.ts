// The generated pages of options in docs/: they must match the table.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { manualPage, optionsPage } from '../../lab/option-pages.js';

const page = (name: string): string =>
  readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');
const STALE = 'stale: run npm run build, then scripts/option-pages.mjs';

describe('pages of options', () => {
  it('docs/OPTIONS.md matches the table', () => assert.equal(page('OPTIONS.md'), optionsPage(), STALE));

  it('docs/ramferry.1 matches the table', () => assert.equal(page('ramferry.1'), manualPage(), STALE));
});
