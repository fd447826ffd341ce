// `--html FILE`: refuses a path that cannot be written before the measurement, and writes the report at the end. The report
// describes a guest's memory, so the file's mode is 0600. The report's modules load only with --html.

import fs from 'node:fs';
import { dirname } from 'node:path';

import { RamferryError, toRamferryError } from '../../errors.js';
import type { ReportData } from '../../report/html/data.js';

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
  const { reportPage } = await import('../../report/html/page.js');
  try {
    fs.writeFileSync(path, reportPage(data), { mode: 0o600 });
  } catch (cause) {
    throw new RamferryError('ERR_OUTPUT_WRITE', `the report ${path} cannot be written`, { cause });
  }
}
