// Finds out how much of a partial output file can be trusted: the chunks of its journal whose bytes, read again, have their checksums.
// Whatever a crash has left in either file, the result is a beginning of the stream that some transfer has sent.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { promisify } from 'node:util';

import { checksum, RunningChecksum } from '../../chunk/checksum.js';
import { MAX_CHUNK_BYTES } from '../../chunk/record.js';
import { MIB } from '../../units.js';
import type { Beginning, PositionedInput } from '../bytes.js';
import { entriesOf } from './journal.js';

const read = promisify(fs.read);

/** Memory for reading a file from its start. */
const BLOCK_BYTES = 4 * MIB;

export interface KeptPart extends Beginning {
  /** Entries of the journal that describe it. */
  readonly entries: number;
}

/**
 * @param signal ends the search early
 * @throws what the system calls throw, or the signal's reason
 */
export async function verifyKept(data: number, journal: number, signal?: AbortSignal): Promise<KeptPart> {
  const running = new RunningChecksum();
  let memory = Buffer.alloc(0);
  let bytes = 0;
  let entries = 0;
  for (const entry of entriesOf(journal)) {
    const { position, length } = entry;
    if (position !== bytes || length < 1 || length > MAX_CHUNK_BYTES) break;
    if (memory.length < length) memory = Buffer.allocUnsafeSlow(length);
    const chunk = memory.subarray(0, length);
    signal?.throwIfAborted();
    await fill(data, chunk, position);
    if (checksum(chunk) !== entry.checksum) break;
    running.update(chunk);
    bytes += length;
    entries += 1;
  }
  return { bytes, entries, digest: running.digest() };
}

/** Bytes behind the file's end are zeros: the last pages that were written may be a hole that has not given the file its length. */
async function fill(fd: number, target: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await read(fd, target, done, target.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  target.fill(0, done);
}

/**
 * The first bytes of an input file.
 * @returns undefined when the file has become shorter
 * @throws what the system calls throw, or the signal's reason
 */
export async function beginningOf(
  { fd }: Pick<PositionedInput, 'fd'>,
  bytes: number,
  signal?: AbortSignal,
): Promise<Beginning | undefined> {
  const running = new RunningChecksum();
  const memory = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  for (let at = 0; at < bytes;) {
    signal?.throwIfAborted();
    const { bytesRead } = await read(fd, memory, 0, Math.min(memory.length, bytes - at), at);
    if (bytesRead === 0) return undefined;
    running.update(memory.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { bytes, digest: running.digest() };
}
