// The name of an output file: which file gets it, and how. A file has another name until it is complete, and a file that existed before
// still exists after any failure. All calls are synchronous.

import fs from 'node:fs';
import { dirname } from 'node:path';

import { RamferryError } from '../../errors.js';
import { isMountPoint } from '../../os/mount-points.js';
import { systemCode, writeError } from '../system-error.js';

export function outputExistsError(label: string): RamferryError {
  return new RamferryError('ERR_OUTPUT_EXISTS', `${label} exists already`, {
    hint: 'choose another name, or replace it with --force',
  });
}

/** Thrown before any transfer, because the complete file could not get this name. */
function mountPointError(label: string): RamferryError {
  return new RamferryError('ERR_OUTPUT_OPEN', `cannot replace ${label}: it is a mount point`, {
    hint: 'choose another name, or mount the directory instead of the file (a container: the volume, not the file)',
  });
}

/** Errors of file systems without hard links (FAT, some network and FUSE file systems). */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']);

/** Gives `temporary` its final name unless that name exists. link(2) makes check and rename one atomic step. */
function publishNew(temporary: string, path: string, label: string): void {
  try {
    fs.linkSync(temporary, path);
  } catch (thrown) {
    if (systemCode(thrown) === 'EEXIST') throw outputExistsError(label);
    if (!NO_LINKS.has(systemCode(thrown) ?? '')) throw thrown;
    claimAndReplace(temporary, path, label);
    return;
  }
  fs.unlinkSync(temporary);
}

/** Without hard links: the process that creates the empty file owns the name and may replace the file. */
function claimAndReplace(temporary: string, path: string, label: string): void {
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o600));
  } catch (thrown) {
    if (systemCode(thrown) === 'EEXIST') throw outputExistsError(label);
    throw thrown;
  }
  fs.renameSync(temporary, path);
}

/** A new name survives a crash only when the directory is on the disk, too. */
function syncDirectory(path: string): void {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    fs.fsyncSync(fd);
  } catch {
    // Some file systems cannot sync directories, and descriptors may be exhausted. The file has its name, so this is no failure.
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/**
 * The path whose file is created or replaced. A symbolic link stays, and the file that it points to is replaced.
 * @throws ERR_OUTPUT_EXISTS when the file exists and `force` is not set, ERR_OUTPUT_OPEN, or what the system calls throw
 */
export function outputPlace(path: string, label: string, force: boolean | undefined): string {
  const existing = fs.statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && force !== true) throw outputExistsError(label);
  if (existing === undefined) {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) === undefined) return path;
    throw new RamferryError('ERR_OUTPUT_OPEN', `${label} is a symbolic link that leads nowhere`);
  }
  const place = fs.realpathSync(path);
  if (isMountPoint(place)) throw mountPointError(label);
  return place;
}

export interface Publishing {
  readonly label: string;
  /** An existing file may be replaced. */
  readonly force?: boolean | undefined;
  /** Wait until the disk has the name; true by default. */
  readonly sync?: boolean | undefined;
}

/** Gives a complete file its final name. @throws ERR_OUTPUT_EXISTS, ERR_OUTPUT_WRITE, ERR_OUTPUT_FULL */
export function publish(temporary: string, path: string, { label, force, sync }: Publishing): void {
  try {
    if (force === true) fs.renameSync(temporary, path);
    else publishNew(temporary, path, label);
    if (sync !== false) syncDirectory(dirname(path));
  } catch (thrown) {
    throw writeError(label, thrown);
  }
}
