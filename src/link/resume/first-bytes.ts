// `readFirstBytes`: learns from a stream's first bytes which conversation its sender speaks. `readWholeOpening`: reads how it opens that one.
// Both bound the time: bytes that trickle are no progress.

import { Buffer } from 'node:buffer';

import type { ByteSource } from '../../io/bytes.js';
import type { ExactReader } from '../../io/exact-reader.js';
import { wholeWithin } from '../watchdog.js';
import { type Opening, readOpening } from './joining.js';

export interface OpeningLimits {
  /** Milliseconds for the opening, once its first bytes have come; 0 = no limit. */
  readonly ioTimeout: number;
  /** The sender begins at once: the limit holds for its first bytes, too. Default false. */
  readonly isAwaited?: boolean | undefined;
}

/**
 * Reads for as long as the bytes may be those of the magic, and no byte beyond it.
 * @returns what was read: the magic, or fewer or other bytes, which the caller must hand on
 * @throws ERR_LINK_TIMEOUT, or what reading throws
 */
export function readFirstBytes(
  source: ByteSource,
  magic: Buffer,
  { ioTimeout, isAwaited = false }: OpeningLimits,
): Promise<Buffer> {
  const limit = isAwaited ? ioTimeout : 0;
  return wholeWithin(firstBytes(source, magic), limit, `no opening came from ${source.label}`);
}

/** Reads the opening behind the magic. @param label of the link @throws ERR_LINK_TIMEOUT, or as readOpening */
export function readWholeOpening(
  reader: ExactReader,
  label: string,
  { ioTimeout }: OpeningLimits,
): Promise<Opening> {
  return wholeWithin(readOpening(reader), ioTimeout, `no whole opening came from ${label}`);
}

async function firstBytes(source: ByteSource, magic: Buffer): Promise<Buffer> {
  const bytes = Buffer.alloc(magic.length);
  let got = 0;
  while (got < magic.length && bytes.subarray(0, got).equals(magic.subarray(0, got))) {
    const more = await source.read(bytes.subarray(got));
    if (more === 0) break;
    got += more;
  }
  return bytes.subarray(0, got);
}
