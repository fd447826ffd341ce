// One hash over all RAM files, for comparing both sides while the guest is stopped. Reads in pieces and lets the event
// loop turn between them: the link's messages go on.

import { setImmediate } from 'node:timers/promises';

import { Xxh64 } from '../../../chunk/xxhash.js';
import { readExactlyAt } from '../../../io/positioned.js';
import { MIB } from '../../../units.js';
import type { RamFile } from './ram-files.js';

const PIECE_BYTES = 4 * MIB;

/** XXH64 as hexadecimal digits: of all files one after the other, or of each memory backend by its id. */
export type RamHash = { readonly hash: string } | { readonly hashes: Readonly<Record<string, string>> };

/** @param matched each file has a backend, and both sides know which */
export async function hashRam(files: readonly RamFile[], matched: boolean): Promise<RamHash> {
  if (!matched) return { hash: await hashFiles(files) };
  const hashes: Record<string, string> = {};
  for (const file of files) hashes[file.backend!.id] = await hashFiles([file]);
  return { hashes };
}

/** What differs, for an error's text; undefined = nothing. */
export function hashDifference(
  here: RamHash | undefined,
  there: {
    readonly hash?: string | undefined;
    readonly hashes?: Readonly<Record<string, string>> | undefined;
  },
): string | undefined {
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
