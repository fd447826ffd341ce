// Groups of the host by name. `getent` knows those of directory services; without it the group file is read.

import fs from 'node:fs';

/** The number of a group; undefined when there is none of this name. @param group a name, or a number */
export function groupId(group: string): number | undefined {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  if (/[:\s]|^-/.test(group)) return undefined;
  // Loaded here: few transfers name a group, and node:child_process is a part of every start that loads it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stdout } = spawnSync('getent', ['group', group], { encoding: 'utf8', timeout: 10_000 });
  return idIn(status === null ? groupFile() : stdout, group);
}

function groupFile(): string {
  try {
    return fs.readFileSync('/etc/group', 'utf8');
  } catch {
    return '';
  }
}

/** Lines of `name:password:number:members`. */
function idIn(text: string, group: string): number | undefined {
  const line = text.split('\n').find((each) => each.startsWith(`${group}:`));
  const number = line?.split(':')[2] ?? '';
  return /^\d+$/.test(number) ? Number(number) : undefined;
}
