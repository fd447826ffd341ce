// Writes an extent of a file that we made, leaving holes where pages are zero.
// Only for fresh files: a hole in an older one would leave its old contents. Synchronous, for worker threads.

import type { Buffer } from 'node:buffer';

import { PAGE_BYTES } from '../../page/size.js';
import { isZeroPage } from '../../page/zero.js';
import { writeExactlyAt } from './positioned.js';

/** @param position of bytes[0] in the file; holes come out page by page, from the start of `bytes` */
export function writeSparseAt(fd: number, bytes: Buffer, position: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length - (bytes.length % PAGE_BYTES);
  let start = 0;
  for (let at = 0; at < whole; at += PAGE_BYTES) {
    if (!isZeroPage(bytes, view, at)) continue;
    if (at > start) writeExactlyAt(fd, bytes.subarray(start, at), position + start);
    start = at + PAGE_BYTES;
  }
  if (start < bytes.length) writeExactlyAt(fd, bytes.subarray(start), position + start);
}
