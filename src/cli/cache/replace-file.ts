// Replaces a file of the user's cache directory as a whole: a reader sees the one before or the new one, never a part.

import fs from 'node:fs';

/**
 * @param temporary a path beside it that no other process uses
 * @param write writes the contents to the new file's descriptor
 * @throws what fails; then the file is as before, and nothing is left beside it
 */
export function replaceFile(path: string, temporary: string, write: (fd: number) => void): void {
  const fd = fs.openSync(temporary, 'wx', 0o600);
  try {
    write(fd);
    fs.renameSync(temporary, path);
  } catch (thrown) {
    fs.rmSync(temporary, { force: true });
    throw thrown;
  } finally {
    fs.closeSync(fd);
  }
}
