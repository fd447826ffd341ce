// The bytes that flow against the stream: QEMU's return path, the texts of `xl migrate`. Relayed unchanged and at once.
// Neither end of the relay decides how a transfer ends: when it breaks, the stream itself tells why.

import { Buffer } from 'node:buffer';
import fs from 'node:fs';

import { type RamferryError, toRamferryError } from '../errors.js';
import { AwakeTimer } from '../os/awake-timer.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import type { Address } from '../link/address.js';
import { openInput, openOutput } from '../link/open.js';

const BUFFER_BYTES = 65_536;

/**
 * Hands every byte of `from` to `to` until the source ends or fails; when `to` fails, the rest is dropped. Never rejects.
 * The source may idle for ever.
 * @returns what the source failed with; undefined when it has ended in order
 */
export async function relay(
  from: ByteSource,
  to: (bytes: Buffer) => Promise<void>,
): Promise<RamferryError | undefined> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let listens = true;
  from.patience?.(0);
  try {
    for (;;) {
      const got = await from.read(buffer);
      if (got === 0) return undefined;
      if (!listens) continue;
      try {
        await to(buffer.subarray(0, got));
      } catch {
        // The stream goes the other way and has its own errors.
        listens = false;
      }
    }
  } catch (thrown) {
    return toRamferryError(thrown);
  }
}

/** How long bytes that are under way to somebody who does not read them may keep a transfer that is over. */
const LAST_WORDS_MS = 500;

/** Ends a way back whose stream is over, so that who listens there sees the end. Never rejects, waits a little at most. */
export async function endRelay(to: ByteSink | undefined): Promise<void> {
  if (to === undefined) return;
  let timer: AwakeTimer | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = AwakeTimer.start(LAST_WORDS_MS, () => resolve('late'));
  });
  const ended = to.finish().catch(() => undefined);
  if ((await Promise.race([ended, late])) === 'late') await to.abort();
  timer?.cancel();
}

/**
 * The other half of a pair of standard streams: what talks to us through stdin listens on stdout, and the other way
 * round (`xl migrate -s`). Undefined when that descriptor is no pipe or socket, or is used for the stream itself.
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
