// Runs a bundled program with the code that V8 compiled in an earlier run, kept in the user's cache directory. Finding and compiling the
// functions of a short transfer takes V8 half as long as Node needs for its own start. Node's own cache (module.enableCompileCache, Node 22
// and newer) holds only what is compiled before a program runs, and V8 compiles most functions at their first call.
// Only a directory that belongs to this user and that no other user may write to is used: its files become running code.

import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import vm from 'node:vm';

import { cacheDirectory } from './cache-directory.js';
import { onKeepCode } from './keep-code.js';
import { replaceFile } from './replace-file.js';
import { withDefaultFlags } from '../process/v8-flags.js';

/** Most files in the directory, of at most 2 MB each. The oldest are removed. */
const MOST_FILES = 16;
/** The first bytes of a program: a hash of its text, which scripts/bundle.mjs writes. V8 compares only the length of the text. */
const HASH = /^\/\*([0-9a-f]{16})\*\//;

type Wrapper = (
  exports: object,
  load: NodeJS.Require,
  module: { exports: object },
  file: string,
  folder: string,
) => void;

/**
 * Loads a program of the bundle. Never fails because of the cache: without it the program only starts more slowly.
 * @param file the program, a CommonJS module
 * @param load `require` of a module in the same folder
 * @returns what the program exports
 */
export function loadProgram(file: string, load: NodeJS.Require): unknown {
  // Plain text in ASCII: any other character would be read wrongly, and scripts/bundle.mjs lets none through.
  const text = fs.readFileSync(file, 'latin1');
  const kept = entryOf(file, text);
  if (kept === undefined) return load(file);
  const cachedData = readEntry(kept);
  const script = new vm.Script(`(function(exports,require,module,__filename,__dirname){${text}\n})`, {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  if (cachedData === undefined || script.cachedDataRejected === true) keepAtExit(kept, script);
  const program = { exports: {} };
  (script.runInThisContext() as Wrapper)(program.exports, load, program, file, dirname(file));
  return program.exports;
}

/** The path of the kept code: one for each program, Node and kind of transfer. Undefined where nothing may be kept. */
function entryOf(file: string, text: string): string | undefined {
  const hash = HASH.exec(text)?.[1];
  if (hash === undefined) return undefined;
  try {
    const cache = cacheDirectory(process.env);
    if (cache === undefined) return undefined;
    const directory = join(cache, 'code');
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { version, arch } = process;
    return join(directory, [basename(file, '.js'), hash, version, arch, ...schemes()].join('-'));
  } catch {
    return undefined; // no home directory, or one that cannot be written to
  }
}

/** The kinds of the addresses on the command line: other kinds call other functions. */
function schemes(): string[] {
  return process.argv.slice(3).flatMap((word) => {
    return word === '-' ? 'stdio' : (/^([a-z]{2,4}(?:-listen)?):/.exec(word)?.[1] ?? []);
  });
}

/**
 * The kept code; undefined where there is none. V8 crashes on damaged code and does not look for damage. So the file holds the code twice:
 * comparing costs a tenth of a millisecond, a checksum in JavaScript 4.
 */
function readEntry(path: string): Buffer | undefined {
  try {
    const twice = fs.readFileSync(path);
    const half = twice.length / 2;
    const code = twice.subarray(0, half);
    return half > 0 && code.equals(twice.subarray(half)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what V8 has compiled by the end of this process, if it succeeds, or when the program says so. */
function keepAtExit(path: string, script: vm.Script): void {
  const keep = (): void => {
    try {
      const code = withDefaultFlags(() => script.createCachedData());
      writeEntry(path, code);
      removeOldest(dirname(path));
    } catch {
      // A full disk, or a directory that another process has removed.
    }
  };
  const atExit = (status: number): void => {
    if (status === 0) keep();
  };
  process.once('exit', atExit);
  onKeepCode((now) => {
    process.off('exit', atExit);
    if (now) keep();
  });
}

/** Complete or not at all, also after a power failure. */
function writeEntry(path: string, code: Buffer): void {
  replaceFile(path, `${path}.${process.pid}`, (fd) => {
    for (let copy = 0; copy < 2; copy++) fs.writeFileSync(fd, code);
    fs.fsyncSync(fd);
  });
}

function removeOldest(directory: string): void {
  const files = fs.readdirSync(directory).map((name) => {
    const path = join(directory, name);
    return { path, age: fs.statSync(path).mtimeMs };
  });
  files.sort((a, b) => b.age - a.age);
  for (const { path } of files.slice(MOST_FILES)) fs.rmSync(path, { force: true });
}
