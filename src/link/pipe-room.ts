// Gives a pipe more room than the kernel's 64 KiB, so that its two ends wake each other less often.
// Measured with 768 MiB through both commands, 1 MiB in each pipe: 2,245 reads of the sender instead of 26,189, and 1,348 writes of the
// receiver instead of 13,083. The kernel limits the room of each pipe and of each user; a refusal changes nothing.

import { libc } from '../os/libc.js';
import { KIB, MIB } from '../units.js';

/** An input pipe holds one chunk of the default size: the feeder reads it in one call. */
export const INPUT_ROOM = MIB;

/**
 * The receiver's output pipe. Bytes in it add to the downtime, so the receiver acknowledges only what the reader has taken from it
 * (ByteSink.unread), and the delivery window keeps them few. A sender's output pipe stays as it is: no acknowledgement shows the bytes
 * in it, and compressed they take long (1 MiB at 100 Mbit/s: 84 ms).
 */
export const OUTPUT_ROOM = MIB;

/** Bytes after which a pipe is widened. A shorter stream would not gain what the first system call through koffi costs. */
const WIDEN_AFTER_BYTES = 128 * KIB;

/** Widens one pipe once enough bytes have passed. */
export class PipeRoom {
  readonly #room: number;
  #left = WIDEN_AFTER_BYTES;

  /** @param room bytes; INPUT_ROOM or OUTPUT_ROOM */
  constructor(room: number) {
    this.#room = room;
  }

  /** Called with the bytes of each read or write. */
  moved(fd: number, bytes: number): void {
    if (this.#left <= 0) return;
    this.#left -= bytes;
    if (this.#left <= 0) widenPipe(fd, this.#room);
  }
}

/**
 * Widens a pipe to `room` bytes, or as far as the kernel allows: /proc/sys/fs/pipe-max-size and, for a user without privileges,
 * pipe-user-pages-soft. Never narrows it. Does nothing where ramferry cannot make system calls (no koffi).
 */
function widenPipe(fd: number, room: number): void {
  const calls = libc();
  if (calls === undefined) return;
  const before = calls.pipeSize(fd);
  if (before < 0) return;
  for (let bytes = room; bytes > before && calls.setPipeSize(fd, bytes) < 0; bytes /= 2);
}
