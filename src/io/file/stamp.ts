// Whether a regular file is still the one whose bytes were read: size, modification and change time, to the nanosecond.
// What it cannot see: writes through a memory mapping of tmpfs, and writes within one tick of the kernel's clock (4 ms) before
// the first look.

import fs from 'node:fs';
import { RamferryError } from '../../errors.js';

const HINT = 'let nothing write to the file while it is being sent';

export class FileStamp {
  readonly #fd: number;
  readonly #label: string;
  readonly #path: string | undefined;
  readonly #first: fs.BigIntStats;

  /** @param path where the file was found; absent for an inherited descriptor */
  constructor(fd: number, label: string, path?: string) {
    this.#fd = fd;
    this.#label = label;
    this.#path = path;
    this.#first = look(fd);
  }

  get size(): number {
    return Number(this.#first.size);
  }

  /** @throws RamferryError ERR_INPUT_CHANGED for another file than this one */
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
    // Files of /proc and /sys: their size and times say nothing.
    if (first.size === 0n) return;
    if (now.mtimeNs !== first.mtimeNs) throw this.#changed('it was written to');
    if (now.ctimeNs !== first.ctimeNs && !this.#renamed(now)) {
      throw this.#changed('it was written to, or its times were set');
    }
  }

  /** The change time also moves when the file gets another name, owner or mode, which touches no byte. */
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
