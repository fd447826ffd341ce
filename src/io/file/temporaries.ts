// The temporaries of output files: their names, which say whose they are, and their end. Those of this process go when it
// exits without having finished them; those of a process that was killed go when a later one writes into the same
// directory. A name that does not certainly belong to a dead process is left alone.

import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';

/** Whose processes its number is one of, process number, start time in ticks since boot, and something of its own. */
const NAME = /^\.ramferry-([0-9a-f]{16})-([1-9]\d*)-(\d+)-[0-9a-f]{16}\.tmp$/;

/** In the place of a start time that cannot be told. */
const UNREADABLE = '0';

/** Temporaries that exist now: a process that ends without abort() removes them, because they hold guest memory. */
const own = new Set<string>();

function removeOwn(): void {
  for (const path of own) fs.rmSync(path, { force: true });
}

/** The file is removed when the process exits. */
export function remember(path: string): void {
  if (own.size === 0) process.on('exit', removeOwn);
  own.add(path);
}

export function forget(path: string): void {
  own.delete(path);
  if (own.size === 0) process.off('exit', removeOwn);
}

/** A name in this directory that does not exist. */
export function temporaryIn(directory: string): string {
  const unique = randomBytes(8).toString('hex');
  const started = startTime(process.pid) ?? UNREADABLE;
  return join(directory, `.ramferry-${processSpace()}-${process.pid}-${started}-${unique}.tmp`);
}

/**
 * Removes what killed processes of ours have left in a directory. Never throws.
 * @returns the names of what was removed
 */
export function removeStale(directory: string): string[] {
  try {
    return fs.readdirSync(directory).filter((name) => isStale(name) && removed(join(directory, name)));
  } catch {
    // A directory that can be written, but not read.
    return [];
  }
}

function isStale(name: string): boolean {
  const [, space, pid, started] = NAME.exec(name) ?? [];
  // Without a start time a process cannot be told from a later one of the same number.
  if (space === undefined || space !== processSpace() || started === UNREADABLE) return false;
  const now = startTime(Number(pid));
  return now !== started && now !== UNREADABLE;
}

function removed(path: string): boolean {
  try {
    const found = fs.lstatSync(path);
    if (!found.isFile() || found.uid !== process.geteuid?.()) return false;
    fs.unlinkSync(path);
    return true;
  } catch {
    // Another process was faster, or this one lacks the permission.
    return false;
  }
}

let space: string | undefined;

/**
 * Where process numbers mean what they mean here: this boot of this host, this PID namespace. A directory may be shared
 * with other hosts and containers, whose processes cannot be seen. Something new each time where it cannot be told.
 */
function processSpace(): string {
  if (space !== undefined) return space;
  let identity: string;
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    identity = `${boot} ${fs.readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    identity = randomBytes(16).toString('hex');
  }
  return (space = createHash('sha256').update(identity).digest('hex').slice(0, 16));
}

/** Field 22 of proc_pid_stat(5), behind the name, which may hold anything. Undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (thrown) {
    // Only what is certainly not there is dead.
    return isGone(thrown) && !canBeSignalled(pid) ? undefined : UNREADABLE;
  }
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie writes no more.
  return state === 'Z' || state === 'X' ? undefined : (fields[18] ?? UNREADABLE);
}

/** /proc may hide processes that exist (its option hidepid). */
function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** ESRCH: it ended while it was read. */
function isGone(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
