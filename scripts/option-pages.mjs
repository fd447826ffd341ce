#!/usr/bin/env node
// Writes docs/OPTIONS.md, the manual pages and the shells' completion from the table of options. Needs the compiled program
// (npm run build). test/options/pages.test.ts fails when they are stale.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { generatedFiles, PAGES } from '../dist/lab/pages/files.js';

const root = join(import.meta.dirname, '..');
rmSync(join(root, PAGES), { recursive: true, force: true });
for (const [name, text] of generatedFiles()) {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
}
