// `FileStamp`: detects that a regular file changed while it was read, by its size, modification time and change time in nanoseconds.
// It does not detect writes through a memory mapping of tmpfs, and writes within one tick of the kernel's clock (4 ms) before the stamp
// was taken.

import fs from 'node:fs';
import { RamferryError } from '../../errors.js';

const HINT = 'let nothing write to the file while it is being sent';

export class FileStamp {
  readonly #fd: number;
  readonly #label: string;
  readonly #path: string | undefined;
  readonly #first: fs.BigIntStats;

  /** @param path path under which the file was opened; absent for an inherited descriptor */
  constructor(fd: number, label: string, path?: string) {
    this.#fd = fd;
    this.#label = label;
    this.#path = path;
    this.#first = look(fd);
  }

  get size(): number {
    return Number(this.#first.size);
  }

  /** @throws RamferryError ERR_INPUT_CHANGED when `other` is a descriptor of another file */
  checkSame(other: number): void {
    const { dev, ino } = look(other);
    if (dev !== this.#first.dev || ino !== this.#first.ino) throw this.#changed('another file has its name');
  }

  /** @throws RamferryError ERR_INPUT_CHANGED */
  check(): void {
    const first = this.#first;
    const now = look(this.#fd);
    if (now.size !== first.size) {
      throw this.#changed(
        `it had ${first.size.toString()} bytes at first and has ${now.size.toString()} now`,
      );
    }
    // The size and the times of files in /proc and /sys do not show changes.
    if (first.size === 0n) return;
    if (now.mtimeNs !== first.mtimeNs) throw this.#changed('it was written to');
    if (now.ctimeNs !== first.ctimeNs && !this.#renamed(now)) {
      throw this.#changed('it was written to, or its times were set');
    }
  }

  /** Whether a new name, owner or mode explains the new change time: these leave the contents unchanged. */
  #renamed(now: fs.BigIntStats): boolean {
    const { nlink, mode, uid, gid, dev, ino } = this.#first;
    if (now.nlink !== nlink || now.mode !== mode || now.uid !== uid || now.gid !== gid) return true;
    if (this.#path === undefined) return false;
    try {
      const there = fs.statSync(this.#path, { bigint: true });
      return there.dev !== dev || there.ino !== ino;
    } catch {
      return true;
    }
  }

  #changed(how: string): RamferryError {
    return new RamferryError('ERR_INPUT_CHANGED', `${this.#label} changed while it was read: ${how}`, {
      hint: HINT,
    });
  }
}

function look(fd: number): fs.BigIntStats {
  return fs.fstatSync(fd, { bigint: true });
}
