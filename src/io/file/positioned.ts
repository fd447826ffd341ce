// Reads and writes whole extents of regular files by position. Synchronous, for worker threads.
// Each call moves all its bytes or throws a RamferryError. The file's own offset is neither used nor moved.

import fs from 'node:fs';
import { RamferryError } from '../../errors.js';
import { readError, systemCode, writeError } from '../system-error.js';

/** The input was truncated, or replaced by shorter contents, after its size was read. */
export function inputChangedError(position: number, missing: number): RamferryError {
  return new RamferryError(
    'ERR_INPUT_CHANGED',
    `the input file became shorter while it was read: ${missing} bytes are missing`,
    { offset: position, hint: 'let nothing write to the file while it is being sent' },
  );
}

/**
 * Fills `target` from the file's bytes at `position`.
 * @throws ERR_INPUT_CHANGED when the file ends too early, ERR_INPUT_READ when the read fails
 */
export function readExactlyAt(fd: number, target: Uint8Array, position: number): void {
  let done = 0;
  while (done < target.length) {
    let count: number;
    try {
      count = fs.readSync(fd, target, done, target.length - done, position + done);
    } catch (thrown) {
      if (systemCode(thrown) === 'EINTR') continue;
      throw readError(`the input at byte ${position + done}`, thrown);
    }
    if (count === 0) throw inputChangedError(position + done, target.length - done);
    done += count;
  }
}

/** Writes all of `bytes` at `position`. @throws ERR_OUTPUT_FULL or ERR_OUTPUT_WRITE */
export function writeExactlyAt(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
    } catch (thrown) {
      if (systemCode(thrown) === 'EINTR') continue;
      throw writeError(`the output at byte ${position + done}`, thrown);
    }
  }
}
