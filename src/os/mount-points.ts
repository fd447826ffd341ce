// `isMountPoint`: whether a path is a mount point. A file may be one: container runtimes make such bind mounts. rename(2) onto it fails
// with EBUSY, and stat(2) does not distinguish it from other files of the same file system.

import fs from 'node:fs';

/** @param path canonical, as realpath(3) returns it. @returns false also where /proc cannot be read */
export function isMountPoint(path: string): boolean {
  let table: string;
  try {
    // Latin-1 keeps every byte of a path; decoding as UTF-8 would change paths that are not UTF-8.
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
