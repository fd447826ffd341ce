// Directories for files that live no longer than the process, below TMPDIR. The caller removes them.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RamferryError } from '../../errors.js';
import { systemText } from '../system-error.js';

/** @throws RamferryError ERR_RESOURCE_LIMIT where temporary files cannot be made */
export function makeScratch(prefix: string): string {
  try {
    return mkdtempSync(join(tmpdir(), prefix));
  } catch (cause) {
    throw new RamferryError(
      'ERR_RESOURCE_LIMIT',
      `no temporary directory can be made in ${tmpdir()}: ${systemText(cause)}`,
      { hint: 'set TMPDIR to a directory that can be written to', cause },
    );
  }
}
