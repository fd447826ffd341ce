// `--html FILE`: refused before anything is measured when it cannot be written, written at the end. The report says what a
// guest's memory is made of, and is nobody else's to read: mode 0600. Its modules are loaded when it is asked for.

import fs from 'node:fs';
import { dirname } from 'node:path';

import { RamferryError, toRamferryError } from '../errors.js';
import type { ReportData } from '../report/html/data.js';

/** @throws RamferryError ERR_OUTPUT_OPEN */
export function checkReportFile(path: string | undefined): void {
  if (path === undefined) return;
  try {
    fs.accessSync(dirname(path), fs.constants.W_OK);
    if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
      throw new Error('it is a directory');
  } catch (thrown) {
    throw toRamferryError(thrown, 'ERR_OUTPUT_OPEN', `the report ${path} cannot be written`);
  }
}

/** @throws RamferryError ERR_OUTPUT_WRITE */
export async function writeReport(path: string, data: ReportData): Promise<void> {
  const { reportPage } = await import('../report/html/page.js');
  try {
    fs.writeFileSync(path, reportPage(data), { mode: 0o600 });
  } catch (cause) {
    throw new RamferryError('ERR_OUTPUT_WRITE', `the report ${path} cannot be written`, { cause });
  }
}
