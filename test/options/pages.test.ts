// The files that are generated from the table of options: they must match it, and mandoc must find nothing in the manual pages.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { generatedFiles, PAGES } from '../../lab/pages/files.js';

const ROOT = join(import.meta.dirname, '../../..');
const STALE = 'stale: run npm run build, then scripts/option-pages.mjs';
const MANUAL = [...generatedFiles().keys()].filter((name) => name.endsWith('.1'));
const missing = (program: string): string | false =>
  spawnSync(program, [], { input: '' }).error !== undefined && `${program} is not installed`;

describe('files from the table of options', () => {
  for (const [name, text] of generatedFiles()) {
    it(`${name} matches the table`, () => assert.equal(readFileSync(join(ROOT, name), 'utf8'), text, STALE));
  }

  it('has no page of a command that is gone', () => {
    const pages = readdirSync(join(ROOT, PAGES)).map((name) => `${PAGES}/${name}`);
    assert.deepEqual(pages.sort(), MANUAL.filter((name) => name.startsWith(`${PAGES}/`)).sort());
  });

  it('package.json installs each manual page', () => {
    const { man } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { man: string[] };
    assert.deepEqual([...man].sort(), MANUAL.map((name) => `./${name}`).sort());
  });
});

describe('manual pages', () => {
  it('pass mandoc -T lint', { skip: missing('mandoc') }, () => {
    const { stdout, stderr } = spawnSync('mandoc', ['-T', 'lint', ...MANUAL], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(stdout + stderr, '');
  });

  it('have the sections that readers look for', () => {
    for (const name of MANUAL.filter((each) => each.startsWith(PAGES))) {
      const sections = [...readFileSync(join(ROOT, name), 'utf8').matchAll(/^\.SH (.+)$/gm)].map(
        ([, title]) => title,
      );
      assert.deepEqual(
        sections,
        ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'],
        name,
      );
    }
  });
});
