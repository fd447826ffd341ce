// Keeps the code that Node has compiled for the next start, in the user's cache directory. Node 22.8 and later can do that by themselves.
// Only a directory that belongs to this user and that no other user may write to is used: its files become running code.

import fs from 'node:fs';
import * as module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Permission bits with which another user could plant code. */
const WRITABLE_BY_OTHERS = 0o022;

/** What Node 20, whose types are used here, does not have. */
interface Caching {
  readonly enableCompileCache?: (directory: string) => unknown;
  readonly flushCompileCache?: () => void;
}

/** Turns the cache on where that is possible and safe. Never fails: without it the program only starts more slowly. */
export function enableCompileCache(environment: NodeJS.ProcessEnv): void {
  const { enableCompileCache: enable, flushCompileCache: flush } = module as Caching;
  if (enable === undefined) return;
  try {
    const directory = ownDirectory(environment['XDG_CACHE_HOME']);
    if (directory === undefined) return;
    enable(directory);
    // The process may end without Node's own end.
    if (flush !== undefined) process.once('exit', () => flush());
  } catch {
    // No home directory, or one that cannot be written to.
  }
}

function ownDirectory(cacheHome: string | undefined): string | undefined {
  const home = cacheHome?.startsWith('/') === true ? cacheHome : join(homedir(), '.cache');
  const directory = join(home, 'ramferry');
  // One after the other: `recursive` never ends where the system refuses with ENOENT, as /proc does (Node 22.22).
  for (const each of [home, directory]) makePrivate(each);
  const found = fs.lstatSync(directory);
  const isOwn = found.uid === process.geteuid?.() && (found.mode & WRITABLE_BY_OTHERS) === 0;
  return isOwn && found.isDirectory() ? join(directory, 'code') : undefined;
}

function makePrivate(directory: string): void {
  try {
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  }
}
