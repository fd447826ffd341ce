// Writes pieces of memory behind each other into a regular file, on a thread of libuv's pool. The file's own offset is neither used nor moved.

import fs from 'node:fs';

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

/**
 * Writes all pieces from `position` on.
 * @param isStopped asked between two writes: true ends the call early
 * @returns bytes that were written
 * @throws what the system call throws
 */
export async function writeAllAt(
  fd: number,
  pieces: readonly Uint8Array[],
  position: number,
  isStopped: () => boolean = () => false,
): Promise<number> {
  let left = pieces.filter(({ length }) => length > 0);
  let written = 0;
  while (left.length > 0 && !isStopped()) {
    const count = await writev(fd, left, position + written);
    written += count;
    left = behind(left, count);
  }
  return written;
}
