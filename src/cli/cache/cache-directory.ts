// The program's directory in the user's cache directory. Only one that belongs to this user and that no other user may write to is used:
// what lies there becomes running code, or decides how a transfer begins.

import fs from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Permission bits with which another user could plant files. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Makes the directory where it is missing.
 * @returns undefined where the directory is not this user's alone
 * @throws where there is no home directory, or none that can be written to
 */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string | undefined {
  const cacheHome = environment['XDG_CACHE_HOME'];
  const home = cacheHome?.startsWith('/') === true ? cacheHome : join(homedir(), '.cache');
  const directory = join(home, 'ramferry');
  // One after the other: `recursive` never ends where the system refuses with ENOENT, as /proc does (Node 22.22).
  for (const each of [home, directory]) makePrivate(each);
  const found = fs.lstatSync(directory);
  const isOwn = found.uid === process.geteuid?.() && (found.mode & WRITABLE_BY_OTHERS) === 0;
  return isOwn && found.isDirectory() ? directory : undefined;
}

function makePrivate(directory: string): void {
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
}
