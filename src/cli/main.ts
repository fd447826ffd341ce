#!/usr/bin/env node
// The entry point of the command line: checks Node's version, then hands the arguments to a program.
// All other modules load after the check, so that an old Node prints a message instead of a stack. A transfer's own program
// (src/cli/direct/) loads nothing of the other commands. It declines arguments that it does not know, and the full program reads them.

import fs from 'node:fs';

import type { DirectProgram } from './direct.js';

const NEEDED = { major: 20, minor: 19 };
/** Files that Node, its threads and ramferry's modules have open at the same time. */
const NEEDED_FILES = 64;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

/** Commands with a program of their own. */
const DIRECT = new Map<string | undefined, () => Promise<{ readonly program: DirectProgram }>>([
  ['send', () => import('./direct/send.js')],
  ['receive', () => import('./direct/receive.js')],
]);

if (major < NEEDED.major || (major === NEEDED.major && minor < NEEDED.minor)) {
  printError(`needs Node.js ${NEEDED.major}.${NEEDED.minor} or newer, this is ${process.versions.node}`);
  process.exitCode = 2;
} else {
  leaveDeletedDirectory();
  void start(process.argv.slice(2)).catch((thrown: unknown) => {
    if (!isTooManyFiles(thrown)) throw thrown;
    printError(
      `ERR_RESOURCE_LIMIT: too many open files\nhint: allow ${NEEDED_FILES} open files or more (ulimit -n)`,
    );
    process.exitCode = 2;
  });
}

async function start(args: readonly string[]): Promise<void> {
  if (args[0] === 'emu-manager' && (await startFront(args))) return;
  // What cannot be loaded, the full program reports.
  const direct = await DIRECT.get(args[0])?.().catch(() => undefined);
  if (direct?.program(args) === true) return;
  const { startProgram } = await import('./program.js');
  startProgram(args);
}

/**
 * Whether the module loader ran out of files. Node reports code EMFILE, from Node 24 on sometimes only in the message. While it
 * looks for a package's main file, it reports that file as missing.
 */
function isTooManyFiles(thrown: unknown): boolean {
  const { code, message } = thrown as NodeJS.ErrnoException;
  if (code === 'EMFILE' || /too many open files/i.test(message)) return true;
  return (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && allowsFewFiles();
}

function allowsFewFiles(): boolean {
  try {
    const allowed = /^Max open files\s+(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return allowed !== undefined && Number(allowed) < NEEDED_FILES;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EMFILE';
  }
}

/**
 * Leaves a deleted working directory, because modules of every thread call process.cwd(). No file can be created in /proc, so
 * relative paths still fail.
 */
function leaveDeletedDirectory(): void {
  try {
    process.cwd();
  } catch {
    process.chdir('/proc');
  }
}

/**
 * The short way of `emu-manager`: the real emu-manager starts before the program loads.
 * @returns false where the program must read the command line
 */
async function startFront(args: readonly string[]): Promise<boolean> {
  const { fail, readEarlyFront, runFront } = await import('./early-front.js');
  const front = readEarlyFront(args, process.env);
  if (front === undefined) return false;
  await runFront(front).catch(async (thrown: unknown) => {
    process.exitCode = await fail(thrown, args);
  });
  return true;
}

/** Prints without loading a module, because the process may have no free descriptor. */
function printError(text: string): void {
  try {
    fs.writeSync(2, `ramferry: ${text}\n`);
  } catch {
    // Standard error is closed or full.
  }
}
