// `PartialOutput`: a regular file as output that a later transfer can continue. It lies as FILE.partial beside its final name, with its
// journal FILE.partial.journal, until it is complete. After a failure both stay; what the journal proves is what the next transfer keeps.

import fs from 'node:fs';
import { constants as system } from 'node:os';
import { promisify } from 'node:util';

import { RamferryError } from '../../errors.js';
import { libc } from '../../os/libc.js';
import { formatSize } from '../../units.js';
import type { ByteSink, PartialFile, PositionedOutput } from '../bytes.js';
import { OperationGuard } from '../operation.js';
import { closedError, outputOpenError, writeError } from '../system-error.js';
import { writeAllAt } from './gather.js';
import {
  isJournal,
  JOURNAL_ENTRY_BYTES,
  JOURNAL_HEADER_BYTES,
  journalHeader,
  JournalWriter,
} from './journal.js';
import { type KeptPart, verifyKept } from './kept-part.js';
import type { FileOutputOptions } from './output.js';
import { outputPlace, publish } from './publish.js';

const ftruncate = promisify(fs.ftruncate);
const fdatasync = promisify(fs.fdatasync);
const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;

export type PartialOutputOptions = Omit<FileOutputOptions, 'directIo'>;

/** The two files while they are open. */
interface OpenFiles {
  readonly path: string;
  readonly data: number;
  readonly journal: number;
}

const partialOf = (path: string): string => `${path}.partial`;
const journalOf = (path: string): string => `${partialOf(path)}.journal`;

function refused(path: string, why: string, hint: string): RamferryError {
  return new RamferryError('ERR_OUTPUT_OPEN', `cannot continue ${path}: ${why}`, { hint });
}

/** Opens or creates one of the two. A file that another user may have put there is refused. */
function openOwn(path: string): number {
  const fd = fs.openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  const found = fs.fstatSync(fd);
  if (found.isFile() && found.uid === process.geteuid?.() && found.nlink === 1) return fd;
  fs.closeSync(fd);
  throw refused(path, 'it is no file that this user alone has', 'move it away, or choose another output');
}

/** @throws ERR_OUTPUT_OPEN while another transfer writes the same output */
function lock(fd: number, path: string): void {
  const isTaken = libc()?.lock(fd) === -system.errno.EWOULDBLOCK;
  // A transfer that has just completed has removed the file that this call has locked.
  const isGone = fs.statSync(path, { throwIfNoEntry: false })?.ino !== fs.fstatSync(fd).ino;
  if (isTaken || isGone) {
    throw refused(
      path,
      'another transfer writes it',
      'wait until that one has ended, or choose another output',
    );
  }
}

function openFiles(path: string): OpenFiles {
  const journal = openOwn(journalOf(path));
  try {
    lock(journal, journalOf(path));
    const data = openOwn(partialOf(path));
    const isNew = fs.fstatSync(data).size === 0;
    if (isJournal(journal)) return { path, data, journal };
    if (isNew && fs.fstatSync(journal).size < JOURNAL_HEADER_BYTES) {
      fs.writeSync(journal, journalHeader(), 0, JOURNAL_HEADER_BYTES, 0);
      // The one write that must reach the disk before others: without the header the rest is taken for another program's file.
      fs.fdatasyncSync(journal);
      return { path, data, journal };
    }
    fs.closeSync(data);
    throw refused(
      partialOf(path),
      `${journalOf(path)} is not its journal`,
      'remove both, or choose another output',
    );
  } catch (thrown) {
    fs.closeSync(journal);
    throw thrown;
  }
}

function closeFiles({ data, journal }: OpenFiles): void {
  fs.closeSync(data);
  fs.closeSync(journal);
}

export class PartialOutput implements ByteSink {
  readonly label: string;
  readonly inert = true;
  readonly file: PositionedOutput;
  readonly partial: PartialFile;
  readonly #files: OpenFiles;
  readonly #options: PartialOutputOptions;
  readonly #guard: OperationGuard;
  readonly #journal: JournalWriter;
  #position: number;
  /** Bytes that the next transfer can keep. */
  #completed: number;
  #isOpen = true;

  private constructor(files: OpenFiles, kept: KeptPart, options: PartialOutputOptions) {
    this.label = options.label;
    this.#files = files;
    this.#options = options;
    this.file = { fd: files.data, alignment: 1 };
    this.#position = this.#completed = kept.bytes;
    this.#journal = new JournalWriter(files.journal, options.label, kept.entries);
    this.partial = {
      kept: { bytes: kept.bytes, digest: kept.digest },
      completed: (position, length, checksum) => {
        this.#journal.add({ position, length, checksum });
        this.#completed = position + length;
      },
    };
    this.#guard = new OperationGuard(options.signal);
  }

  /**
   * Opens the output, reads what an earlier transfer has left and keeps what is proven. That takes as long as reading the file.
   * @param path the final name; its directory must exist
   * @throws ERR_OUTPUT_EXISTS when the name exists and `force` is not set, ERR_OUTPUT_OPEN, or the signal's reason
   */
  static async open(path: string, options: PartialOutputOptions): Promise<PartialOutput> {
    const { label, force, signal, onWarning } = options;
    let files: OpenFiles | undefined;
    try {
      files = openFiles(outputPlace(path, label, force));
      const { size } = fs.fstatSync(files.data);
      if (size > 0) onWarning?.(`reading ${partialOf(path)} again, ${formatSize(size)}`);
      const kept = await verifyKept(files.data, files.journal, signal);
      await ftruncate(files.journal, JOURNAL_HEADER_BYTES + kept.entries * JOURNAL_ENTRY_BYTES);
      await ftruncate(files.data, kept.bytes);
      if (size > 0) onWarning?.(`continuing ${label} behind its first ${kept.bytes} bytes`);
      return new PartialOutput(files, kept, options);
    } catch (thrown) {
      if (files !== undefined) closeFiles(files);
      throw outputOpenError(label, thrown);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.writeAll([bytes]);
  }

  writeAll(pieces: readonly Uint8Array[]): Promise<void> {
    return this.#guard.run(async () => {
      const isStopped = (): boolean => this.#guard.failure !== undefined;
      try {
        this.#position += await writeAllAt(this.#files.data, pieces, this.#position, isStopped);
      } catch (thrown) {
        throw writeError(this.label, thrown);
      }
    });
  }

  queued(): number {
    return 0;
  }

  /** As FileOutput.finish. */
  async finish(totalLength?: number): Promise<void> {
    const { path, data } = this.#files;
    const { force, sync } = this.#options;
    await this.#guard.run(async () => {
      try {
        await this.#journal.settle();
        await ftruncate(data, totalLength ?? this.#position);
        if (sync !== false) await fdatasync(data);
      } catch (thrown) {
        throw writeError(this.label, thrown);
      }
    });
    if (this.#guard.failure !== undefined) throw this.#guard.failure;
    publish(partialOf(path), path, { label: this.label, force, sync });
    fs.rmSync(journalOf(path), { force: true });
    this.#close();
  }

  /** Keeps what has come, and says so. Must be called only when no worker writes through `file` any more. */
  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#journal.settle();
    const { path } = this.#files;
    if (this.#completed === 0) {
      fs.rmSync(partialOf(path), { force: true });
      fs.rmSync(journalOf(path), { force: true });
    } else {
      this.#options.onWarning?.(
        `${partialOf(path)} keeps the first ${formatSize(this.#completed)}: \`receive --resume\` continues it`,
      );
    }
    this.#close();
  }

  #close(): void {
    this.#isOpen = false;
    this.#guard.close(closedError(this.label), () => closeFiles(this.#files));
  }
}
