// `writeSparseAt`: writes an extent of a new file, with holes where pages are zero. Synchronous, for worker threads.
// Only for files that ramferry created: in an existing file a hole would keep the old contents.

import type { Buffer } from 'node:buffer';

import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { writeExactlyAt } from './positioned.js';

/**
 * @param position of bytes[0] in the file. Holes are whole pages, at multiples of a page in the file: a file system's blocks lie there,
 *   and an extent of a stream may begin anywhere
 */
export function writeSparseAt(fd: number, bytes: Buffer, position: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 0;
  for (let at = -position & (PAGE_BYTES - 1); at + PAGE_BYTES <= bytes.length; at += PAGE_BYTES) {
    if (!isZeroPage(bytes, view, at)) continue;
    if (at > start) writeExactlyAt(fd, bytes.subarray(start, at), position + start);
    start = at + PAGE_BYTES;
  }
  if (start < bytes.length) writeExactlyAt(fd, bytes.subarray(start), position + start);
}
