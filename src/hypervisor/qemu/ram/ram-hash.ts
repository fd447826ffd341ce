// Hashes RAM files, to compare both sides while the guest is stopped. Reads in pieces and yields to the event loop between them,
// so that control messages keep flowing.

import { setImmediate } from 'node:timers/promises';

import { Xxh64 } from '../../../chunk/xxhash.js';
import { readExactlyAt } from '../../../io/file/positioned.js';
import { MIB } from '../../../units.js';
import type { RamFile } from './ram-files.js';

const PIECE_BYTES = 4 * MIB;

/** XXH64 as hexadecimal digits: of all files concatenated, or of each memory backend by its id. */
export type RamHash = { readonly hash: string } | { readonly hashes: Readonly<Record<string, string>> };

/** As the other side reports it: nothing is checked about it but its types. */
export interface ReportedHash {
  readonly hash?: string | undefined;
  readonly hashes?: Readonly<Record<string, string>> | undefined;
}

/** @param matched each file has a backend, and both sides agree on the ids */
export async function hashRam(files: readonly RamFile[], matched: boolean): Promise<RamHash> {
  if (!matched) return { hash: await hashFiles(files) };
  const hashes: Record<string, string> = {};
  for (const file of files) hashes[file.backend!.id] = await hashFiles([file]);
  return { hashes };
}

/** The difference, for an error's text; undefined where the hashes agree. */
export function hashDifference(here: RamHash | undefined, there: ReportedHash): string | undefined {
  if (here === undefined) return undefined;
  if ('hash' in here)
    return here.hash === there.hash ? undefined : "the destination's RAM differs from the source's";
  const differing = Object.keys(here.hashes).filter((id) => here.hashes[id] !== there.hashes?.[id]);
  return differing.length === 0
    ? undefined
    : `memory backend ${differing.join(' and ')} differs between the source and the destination`;
}

async function hashFiles(files: readonly RamFile[]): Promise<string> {
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
