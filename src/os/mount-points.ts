// Which names are mount points. A file may be one (a bind mount, as container runtimes make them); rename(2) onto it fails with
// EBUSY, and stat(2) does not tell it from its neighbours on the same file system.

import fs from 'node:fs';

/** @param path as realpath(3) gives it; false, too, where /proc cannot be read */
export function isMountPoint(path: string): boolean {
  let table: string;
  try {
    // Names are bytes: those that are not UTF-8 would not survive another reading.
    table = fs.readFileSync('/proc/self/mountinfo', 'latin1');
  } catch {
    return false;
  }
  const wanted = Buffer.from(path).toString('latin1');
  return mountPoints(table).includes(wanted);
}

/** @param table the text of proc_pid_mountinfo(5), which writes space, tab, newline and backslash in octal */
export function mountPoints(table: string): string[] {
  return table
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((name) => name !== undefined)
    .map((name) =>
      name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    );
}
