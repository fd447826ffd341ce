// Free page reporting, as the kernel shows it.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { reportsFreePages } from '../../../src/os/memory/free-pages.js';

const folder = mkdtempSync(join(tmpdir(), 'ramferry-free-pages-'));
after(() => rmSync(folder, { recursive: true }));

function withOrder(order: string): boolean {
  const path = join(folder, 'order');
  writeFileSync(path, order);
  return reportsFreePages(path);
}

describe('reportsFreePages', () => {
  it('is true where a balloon reports blocks', () => {
    assert.equal(withOrder('9\n'), true);
    assert.equal(withOrder('0\n'), true);
  });

  it('is false where no balloon has set the order', () => {
    assert.equal(withOrder('4294967295\n'), false);
    assert.equal(withOrder('-1\n'), false);
    assert.equal(withOrder(''), false);
  });

  it('is false on kernels without free page reporting', () => {
    assert.equal(reportsFreePages(join(folder, 'absent')), false);
  });
});
