// Relays the bytes that flow against the stream, unchanged and at once: QEMU's return path, the texts of `xl migrate`. A relay that
// breaks does not decide how the transfer ends: the stream's own errors do.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { type RamferryError, toRamferryError } from '../errors.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import type { Address } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';
import { withDeadline } from '../os/time/deadline.js';

const BUFFER_BYTES = 65_536;

/**
 * Passes every byte of `from` to `to` until the source ends or fails. When `to` fails, drops the rest. Never rejects. The source may
 * idle for ever.
 * @returns the error of the source; undefined when it ended in order
 */
export async function relay(
  from: ByteSource,
  to: (bytes: Buffer) => Promise<void>,
): Promise<RamferryError | undefined> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let isOpen = true;
  from.patience?.(0);
  try {
    for (;;) {
      const got = await from.read(buffer);
      if (got === 0) return undefined;
      if (!isOpen) continue;
      try {
        await to(buffer.subarray(0, got));
      } catch {
        // The stream goes the other way and has its own errors.
        isOpen = false;
      }
    }
  } catch (thrown) {
    return toRamferryError(thrown);
  }
}

/** How long bytes that the other program does not read may delay the end of a transfer. */
const FINISH_MS = 500;

/** Ends a return path whose stream is over, so that its reader sees the end. Never rejects; aborts after FINISH_MS. */
export async function endRelay(to: ByteSink | undefined): Promise<void> {
  if (to === undefined) return;
  const ended = to.finish().catch(() => undefined);
  const late = await withDeadline(ended, FINISH_MS, () => 'late');
  if (late === 'late') await to.abort();
}

/**
 * Opens the other half of a pair of standard streams: a program that writes to our stdin reads from our stdout, and the reverse
 * (`xl migrate -s`).
 * @returns undefined when that descriptor is no pipe or socket, or carries the stream itself
 */
export async function standardPartner(
  used: Address,
  other: Address,
  want: 'source',
): Promise<ByteSource | undefined>;
export async function standardPartner(
  used: Address,
  other: Address,
  want: 'sink',
): Promise<ByteSink | undefined>;
export async function standardPartner(
  used: Address,
  other: Address,
  want: 'source' | 'sink',
): Promise<ByteSource | ByteSink | undefined> {
  const fd = want === 'source' ? 0 : 1;
  const taken = other.kind === 'stdio' || (other.kind === 'fd' && other.fd === fd);
  if (used.kind !== 'stdio' || taken) return undefined;
  try {
    const stats = fs.fstatSync(fd);
    if (!stats.isFIFO() && !stats.isSocket()) return undefined;
    if (want === 'source') return (await openInput({ kind: 'stdio' })).source;
    return (await openOutput({ kind: 'stdio' })).sink;
  } catch {
    return undefined; // closed
  }
}
