// One hash over all RAM files, for comparing both sides while the guest is stopped. Reads in pieces and lets the event
// loop turn between them: the link's messages go on.

import { setImmediate } from 'node:timers/promises';

import { Xxh64 } from '../../chunk/xxhash.js';
import { readExactlyAt } from '../../io/positioned.js';
import type { RamFile } from './ram-files.js';

const PIECE_BYTES = 4 * 1024 * 1024;

/** @returns XXH64 as hexadecimal digits */
export async function hashRam(files: readonly RamFile[]): Promise<string> {
  const state = new Xxh64();
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (const { fd, size } of files) {
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const part = piece.subarray(0, Math.min(PIECE_BYTES, size - at));
      readExactlyAt(fd, part, at);
      state.update(part);
      await setImmediate();
    }
  }
  return state.digest().toString(16).padStart(16, '0');
}
