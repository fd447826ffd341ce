#!/usr/bin/env node
// Writes docs/OPTIONS.md and docs/ramferry.1 from the table of options. Needs the compiled program (npm run build).
// test/options/pages.test.ts fails when they are stale.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { manualPage, optionsPage } from '../dist/lab/option-pages.js';

const docs = join(import.meta.dirname, '../docs');
writeFileSync(join(docs, 'OPTIONS.md'), optionsPage());
writeFileSync(join(docs, 'ramferry.1'), manualPage());
