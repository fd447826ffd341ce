// `makeScratch`: makes directories below TMPDIR for files that the process removes before it ends. The caller removes them.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RamferryError } from '../../errors.js';
import { systemText } from '../system-error.js';

/** @throws RamferryError ERR_RESOURCE_LIMIT when the directory cannot be made */
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
