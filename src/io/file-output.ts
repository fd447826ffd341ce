// A regular file as output: made under a temporary name beside its final one, which it gets only when complete.
// Workers write their extents by position through `file`; write() appends in order; what nobody writes is a hole.
// Whatever fails, nothing is left under the final name, and a file that was there before is still there.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { RamferryError } from '../errors.js';
import type { ByteSink, PositionedOutput } from './bytes.js';
import { OperationGuard } from './operation.js';
import { closedError, outputOpenError, systemCode, writeError } from './system-error.js';

const ftruncate = promisify(fs.ftruncate);
const fdatasync = promisify(fs.fdatasync);

export interface FileOutputOptions {
  readonly label: string;
  /** An existing file may be replaced. */
  readonly force?: boolean | undefined;
  /** Wait until the disk has everything before the file gets its name (the default). */
  readonly sync?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Temporaries that exist now: whoever ends the process without abort() must not leave guest memory lying about. */
const temporaries = new Set<string>();

function removeTemporaries(): void {
  for (const path of temporaries) fs.rmSync(path, { force: true });
}

function remember(path: string): void {
  if (temporaries.size === 0) process.on('exit', removeTemporaries);
  temporaries.add(path);
}

function forget(path: string): void {
  temporaries.delete(path);
  if (temporaries.size === 0) process.off('exit', removeTemporaries);
}

export function outputExistsError(label: string): RamferryError {
  return new RamferryError('ERR_OUTPUT_EXISTS', `${label} exists already`, {
    hint: 'choose another name, or replace it with --force',
  });
}

/** File systems without hard links (FAT, some network and FUSE ones) say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']);

/** Gives `temporary` its final name unless something has that name already: no moment between check and act. */
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

/** Without links: whoever makes the empty file owns the name, and may replace it. */
function claimAndReplace(temporary: string, path: string, label: string): void {
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o600));
  } catch (thrown) {
    if (systemCode(thrown) === 'EEXIST') throw outputExistsError(label);
    throw thrown;
  }
  fs.renameSync(temporary, path);
}

/** A new name in a directory is safe only when the directory is on the disk, too. */
function syncDirectory(path: string): void {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(fd);
  } catch {
    // some file systems cannot; the file itself is safe
  } finally {
    fs.closeSync(fd);
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

/** What is left of the pieces behind so many bytes. */
function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let first = 0;
  while (first < pieces.length && bytes >= pieces[first]!.length) bytes -= pieces[first++]!.length;
  const left = pieces.slice(first);
  if (bytes > 0) left[0] = left[0]!.subarray(bytes);
  return left;
}

export class FileOutput implements ByteSink {
  readonly label: string;
  readonly file: PositionedOutput;
  readonly #path: string;
  readonly #temporary: string;
  readonly #options: FileOutputOptions;
  readonly #guard: OperationGuard;
  #position = 0;
  #open = true;

  /**
   * @param path the final name; its directory must exist.
   * Throws ERR_OUTPUT_EXISTS when it is taken and `force` is not set, ERR_OUTPUT_OPEN when it cannot be made.
   */
  constructor(path: string, options: FileOutputOptions) {
    this.label = options.label;
    this.#options = options;
    try {
      const existing = fs.statSync(path, { throwIfNoEntry: false });
      if (existing !== undefined && options.force !== true) throw outputExistsError(this.label);
      // Replacing means the file that a symbolic link points to, not the link.
      this.#path = existing === undefined ? path : fs.realpathSync(path);
      if (existing === undefined && fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
        throw new RamferryError('ERR_OUTPUT_OPEN', `${this.label} is a symbolic link that leads nowhere`);
      }
      const name = `.ramferry-${randomBytes(8).toString('hex')}.tmp`;
      this.#temporary = join(dirname(this.#path), name);
      this.file = { fd: fs.openSync(this.#temporary, 'wx+', 0o600), alignment: 1 };
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
      let left = pieces.filter(({ length }) => length > 0);
      while (left.length > 0 && this.#guard.failure === undefined) {
        const count = await writev(this.file.fd, left, this.#position).catch((thrown: unknown) => {
          throw writeError(this.label, thrown);
        });
        this.#position += count;
        left = behind(left, count);
      }
    });
  }

  queued(): number {
    return 0;
  }

  /**
   * Gives the file its length, waits for the disk (unless `sync` is false), and gives it its name.
   * @param totalLength in bytes; what write() took, when not told.
   */
  async finish(totalLength?: number): Promise<void> {
    await this.#guard.run(async () => {
      try {
        await ftruncate(this.file.fd, totalLength ?? this.#position);
        if (this.#options.sync !== false) await fdatasync(this.file.fd);
      } catch (thrown) {
        throw writeError(this.label, thrown);
      }
    });
    // From here to the new name nothing can come between: abort() either finds the temporary or the finished file.
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

  /** Call it when no worker writes through `file` any more: the descriptor's number may be used again. */
  abort(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    fs.rmSync(this.#temporary, { force: true });
    forget(this.#temporary);
    this.#close();
    return Promise.resolve();
  }

  #close(): void {
    this.#open = false;
    this.#guard.close(closedError(this.label), () => fs.closeSync(this.file.fd));
  }
}
