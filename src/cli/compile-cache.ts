// Keeps the code that Node has compiled for the next start, in the user's cache directory. Node 22.8 and later can do that by themselves.

import * as module from 'node:module';
import { join } from 'node:path';

import { cacheDirectory } from './cache-directory.js';

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
    const directory = cacheDirectory(environment);
    if (directory === undefined) return;
    enable(join(directory, 'code'));
    // The process may end without Node's own end.
    if (flush !== undefined) process.once('exit', () => flush());
  } catch {
    // No home directory, or one that cannot be written to.
  }
}
