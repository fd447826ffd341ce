// `FileInput`: a regular file as input, from its first byte to the size that it had when it was opened.
// Workers read their extents by position; read() gives the bytes in order.

import fs from 'node:fs';
import { promisify } from 'node:util';
import type { ByteSource, PositionedInput } from '../bytes.js';
import { openDirect } from './direct.js';
import { type Holes, openHoles } from './holes.js';
import { FileStamp } from './stamp.js';
import { OperationGuard } from '../operation.js';
import { inputChangedError } from './positioned.js';
import { closedError, inputOpenError, readError } from '../system-error.js';

const read = promisify(fs.read);

export interface FileInputOptions {
  readonly label: string;
  /** Workers bypass the page cache where that works. Otherwise `onWarning` is called. */
  readonly directIo?: boolean | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class FileInput implements ByteSource {
  readonly label: string;
  readonly file?: PositionedInput;
  readonly tellsEnd = true;
  readonly #fd: number;
  readonly #size: number;
  readonly #stamp: FileStamp;
  readonly #guard: OperationGuard;
  #position = 0;
  /** Set by the first skipHole(); without a walk the file has no holes that are known. */
  #holes: { readonly walk: Holes | undefined } | undefined;
  #closed = false;

  /** @throws ERR_INPUT_OPEN */
  constructor(path: string, options: FileInputOptions) {
    this.label = options.label;
    try {
      this.#fd = fs.openSync(path, fs.constants.O_RDONLY);
    } catch (thrown) {
      throw inputOpenError(options.label, thrown);
    }
    this.#guard = new OperationGuard(options.signal);
    this.#stamp = new FileStamp(this.#fd, options.label, path);
    this.#size = this.#stamp.size;
    // Files of /proc and /sys have contents but report size 0. They are only read in order.
    if (this.#size === 0) return;
    const direct = options.directIo === true ? openDirect(path) : undefined;
    if (options.directIo === true && direct === undefined) {
      options.onWarning?.(`direct I/O does not work on ${options.label}: reading through the page cache`);
    }
    if (direct !== undefined) this.#stamp.checkSame(direct.fd);
    this.file = { path, fd: direct?.fd ?? this.#fd, size: this.#size, alignment: direct?.alignment ?? 1 };
  }

  read(target: Uint8Array): Promise<number> {
    return this.#guard.run(async () => {
      const left = this.#size === 0 ? target.length : Math.min(target.length, this.#size - this.#position);
      if (left === 0) return 0;
      const { bytesRead } = await read(this.#fd, target, 0, left, this.#position).catch((thrown: unknown) => {
        throw readError(this.label, thrown);
      });
      if (bytesRead === 0 && this.#size > 0) {
        throw inputChangedError(this.#position, this.#size - this.#position);
      }
      this.#position += bytesRead;
      return bytesRead;
    });
  }

  skipHole(length: number): boolean {
    if (this.file === undefined || this.#closed || this.#position + length > this.#size) return false;
    this.#holes ??= { walk: openHoles(this.file) };
    if (this.#holes.walk?.cover(this.#position, length) !== true) return false;
    this.#position += length;
    return true;
  }

  unchanged(): void {
    if (!this.#closed) this.#stamp.check();
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#guard.close(closedError(this.label), () => {
      fs.closeSync(this.#fd);
      if (this.file !== undefined && this.file.fd !== this.#fd) fs.closeSync(this.file.fd);
    });
    return Promise.resolve();
  }
}
