// Names and removes the temporaries of output files. A name identifies the process that owns it. A process removes its unfinished
// temporaries when it exits. Temporaries of a killed process are removed by the next process that writes into the same directory.
// A temporary is kept unless its process has certainly ended.

import fs from 'node:fs';
import { join } from 'node:path';

import { xxh64 } from '../../chunk/xxhash.js';
import { startTime, UNREADABLE } from '../../os/process/process-start.js';

/** Process space (boot and PID namespace), PID, start time in ticks since boot, and a random part. */
const NAME = /^\.ramferry-([0-9a-f]{16})-([1-9]\d*)-(\d+)-[0-9a-f]{16}\.tmp$/;

/** Existing temporaries of this process. They hold guest memory, so a process that ends without abort() removes them. */
const own = new Set<string>();

function removeOwn(): void {
  for (const path of own) fs.rmSync(path, { force: true });
}

/** Registers a temporary, which is then removed when the process exits. */
export function remember(path: string): void {
  if (own.size === 0) process.on('exit', removeOwn);
  own.add(path);
}

export function forget(path: string): void {
  own.delete(path);
  if (own.size === 0) process.off('exit', removeOwn);
}

/** Returns a new name in this directory. */
export function temporaryIn(directory: string): string {
  const unique = randomHex();
  const started = startTime(process.pid) ?? UNREADABLE;
  return join(directory, `.ramferry-${processSpace()}-${process.pid}-${started}-${unique}.tmp`);
}

/**
 * Removes the temporaries that killed ramferry processes of this user have left in a directory. Never throws.
 * @returns the names of the removed files
 */
export function removeStale(directory: string): string[] {
  try {
    return fs.readdirSync(directory).filter((name) => isStale(name) && removed(join(directory, name)));
  } catch {
    // The directory may be writable but not readable.
    return [];
  }
}

function isStale(name: string): boolean {
  const [, space, pid, started] = NAME.exec(name) ?? [];
  // Without a start time a process cannot be distinguished from a later one with the same PID.
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
    // Another process has removed the file, or this process lacks the permission.
    return false;
  }
}

/**
 * 64 bits as text. Distinguishes the temporaries of one process, which are created exclusively: a guessed name gains nothing.
 * node:crypto would take 7 ms of processor time to load.
 */
function randomHex(): string {
  const half = (): bigint => BigInt(Math.floor(Math.random() * 2 ** 32));
  return hex((half() << 32n) | half());
}

function hex(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

let space: string | undefined;

/**
 * Identifies the space in which a PID is unique: this boot of this host and this PID namespace. A directory may be shared with other
 * hosts and containers, whose processes are not visible here. A random value where the space cannot be determined.
 */
function processSpace(): string {
  if (space !== undefined) return space;
  let identity: string;
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    identity = `${boot} ${fs.readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    identity = randomHex();
  }
  return (space = hex(xxh64(identity)));
}
