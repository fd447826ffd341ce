// `FileOutput`: a regular file as output. It has a temporary name in the same directory, and gets its final name only when complete.
// Workers write their extents by position through `file`; write() appends in order. Ranges that are not written are holes.
// After any failure no incomplete file has the final name, and a file that existed before still exists.

import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { RamferryError } from '../../errors.js';
import type { ByteSink, PositionedOutput } from '../bytes.js';
import { DirectWriter } from './direct-writer.js';
import { isMountPoint } from '../../os/mount-points.js';
import { OperationGuard } from '../operation.js';
import { closedError, outputOpenError, systemCode, writeError } from '../system-error.js';
import { forget, remember, removeStale, temporaryIn } from './temporaries.js';

const ftruncate = promisify(fs.ftruncate);
const fdatasync = promisify(fs.fdatasync);

export interface FileOutputOptions {
  readonly label: string;
  /** An existing file may be replaced. */
  readonly force?: boolean | undefined;
  /** Bypass the page cache where that works. Otherwise `onWarning` is called. */
  readonly directIo?: boolean | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Wait until the disk has all bytes before the file gets its final name; true by default. */
  readonly sync?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

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

function writev(fd: number, pieces: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, pieces, position, (thrown, count) => {
      if (thrown) reject(thrown);
      else resolve(count);
    });
  });
}

/** The pieces without their first `bytes` bytes. */
function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let first = 0;
  while (first < pieces.length && bytes >= pieces[first]!.length) bytes -= pieces[first++]!.length;
  const left = pieces.slice(first);
  if (bytes > 0) left[0] = left[0]!.subarray(bytes);
  return left;
}

/** Creates the temporary for direct writes. Returns undefined, and leaves no file, where direct writes do not work. */
function createDirect(path: string): { fd: number; writer: DirectWriter } | undefined {
  const { O_RDWR, O_CREAT, O_EXCL, O_DIRECT } = fs.constants;
  let fd: number;
  try {
    fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0o600);
  } catch (thrown) {
    // Some file systems refuse the flag after they have created the file.
    if (systemCode(thrown) === 'EINVAL') fs.rmSync(path, { force: true });
    return undefined;
  }
  const writer = DirectWriter.on(fd);
  if (writer !== undefined) return { fd, writer };
  fs.closeSync(fd);
  fs.rmSync(path, { force: true });
  return undefined;
}

export class FileOutput implements ByteSink {
  readonly label: string;
  readonly inert = true;
  /** Absent with direct I/O, where all bytes are written in order. */
  readonly file?: PositionedOutput;
  readonly #fd: number;
  readonly #direct: DirectWriter | undefined;
  readonly #path: string;
  readonly #temporary: string;
  readonly #options: FileOutputOptions;
  readonly #guard: OperationGuard;
  #position = 0;
  #open = true;

  /**
   * @param path the final name; its directory must exist
   * @throws ERR_OUTPUT_EXISTS when the name exists and `force` is not set, ERR_OUTPUT_OPEN when the file cannot be created
   */
  constructor(path: string, options: FileOutputOptions) {
    this.label = options.label;
    this.#options = options;
    try {
      const existing = fs.statSync(path, { throwIfNoEntry: false });
      if (existing !== undefined && options.force !== true) throw outputExistsError(this.label);
      // Replaces the file that a symbolic link points to, not the link.
      this.#path = existing === undefined ? path : fs.realpathSync(path);
      if (existing === undefined && fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
        throw new RamferryError('ERR_OUTPUT_OPEN', `${this.label} is a symbolic link that leads nowhere`);
      }
      if (existing !== undefined && isMountPoint(this.#path)) throw mountPointError(this.label);
      const directory = dirname(this.#path);
      for (const stale of removeStale(directory)) {
        options.onWarning?.(`removed ${join(directory, stale)}, which a run that was killed has left`);
      }
      this.#temporary = temporaryIn(directory);
      const direct = options.directIo === true ? createDirect(this.#temporary) : undefined;
      if (options.directIo === true && direct === undefined) {
        options.onWarning?.(`direct I/O does not work on ${this.label}: writing through the page cache`);
      }
      this.#direct = direct?.writer;
      this.#fd = direct?.fd ?? fs.openSync(this.#temporary, 'wx+', 0o600);
      if (direct === undefined) this.file = { fd: this.#fd, alignment: 1 };
    } catch (thrown) {
      throw outputOpenError(this.label, thrown);
    }
    remember(this.#temporary);
    this.#guard = new OperationGuard(options.signal);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.writeAll([bytes]);
  }

  writeAll(pieces: readonly Uint8Array[]): Promise<void> {
    return this.#guard.run(async () => {
      if (this.#direct !== undefined) {
        await this.#appendDirect(this.#direct, pieces);
        return;
      }
      let left = pieces.filter(({ length }) => length > 0);
      while (left.length > 0 && this.#guard.failure === undefined) {
        const count = await writev(this.#fd, left, this.#position).catch((thrown: unknown) => {
          throw writeError(this.label, thrown);
        });
        this.#position += count;
        left = behind(left, count);
      }
    });
  }

  async #appendDirect(writer: DirectWriter, pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      if (this.#guard.failure !== undefined) return;
      await writer.append(piece).catch((thrown: unknown) => {
        throw writeError(this.label, thrown);
      });
      this.#position += piece.length;
    }
  }

  queued(): number {
    return 0;
  }

  /**
   * Sets the file's length, waits for the disk (unless `sync` is false), and gives the file its final name.
   * @param totalLength in bytes; by default the bytes that write() took
   */
  async finish(totalLength?: number): Promise<void> {
    await this.#guard.run(async () => {
      try {
        await this.#direct?.finish();
        await ftruncate(this.#fd, totalLength ?? this.#position);
        if (this.#options.sync !== false) await fdatasync(this.#fd);
      } catch (thrown) {
        throw writeError(this.label, thrown);
      }
    });
    // From here to the new name all steps are synchronous, so abort() finds either the temporary or the complete file.
    if (this.#guard.failure !== undefined) throw this.#guard.failure;
    try {
      if (this.#options.force === true) fs.renameSync(this.#temporary, this.#path);
      else publishNew(this.#temporary, this.#path, this.label);
      if (this.#options.sync !== false) syncDirectory(dirname(this.#path));
    } catch (thrown) {
      throw writeError(this.label, thrown);
    }
    forget(this.#temporary);
    this.#close();
  }

  /** Must be called only when no worker writes through `file` any more, because the descriptor's number may be reused. */
  abort(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    fs.rmSync(this.#temporary, { force: true });
    forget(this.#temporary);
    this.#close();
    return Promise.resolve();
  }

  #close(): void {
    this.#open = false;
    this.#guard.close(closedError(this.label), () => fs.closeSync(this.#fd));
  }
}
