// `FileOutput`: a regular file as output. It has a temporary name in the same directory, and gets its final name only when complete.
// Workers write their extents by position through `file`; write() appends in order. Ranges that are not written are holes.
// After any failure no incomplete file has the final name, and a file that existed before still exists.

import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { ByteSink, PositionedOutput } from '../bytes.js';
import { DirectWriter } from './direct-writer.js';
import { writeAllAt } from './gather.js';
import { OperationGuard } from '../operation.js';
import { outputPlace, publish } from './publish.js';
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
      this.#path = outputPlace(path, this.label, options.force);
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
      const isStopped = (): boolean => this.#guard.failure !== undefined;
      this.#position += await writeAllAt(this.#fd, pieces, this.#position, isStopped).catch(
        (thrown: unknown) => {
          throw writeError(this.label, thrown);
        },
      );
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
    const { force, sync } = this.#options;
    publish(this.#temporary, this.#path, { label: this.label, force, sync });
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
