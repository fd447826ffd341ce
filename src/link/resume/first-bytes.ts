// `readFirstBytes`: learns from a stream's first bytes which conversation its sender speaks.

import { Buffer } from 'node:buffer';

import type { ByteSource } from '../../io/bytes.js';

/**
 * Reads for as long as the bytes may be those of the magic, and no byte beyond it.
 * @returns what was read: the magic, or fewer or other bytes, which the caller must hand on
 * @throws what reading throws
 */
export async function readFirstBytes(source: ByteSource, magic: Buffer): Promise<Buffer> {
  const bytes = Buffer.alloc(magic.length);
  let got = 0;
  while (got < magic.length && bytes.subarray(0, got).equals(magic.subarray(0, got))) {
    const more = await source.read(bytes.subarray(got));
    if (more === 0) break;
    got += more;
  }
  return bytes.subarray(0, got);
}
