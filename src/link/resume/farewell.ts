// How a side ends a connection of a conversation. Nothing here rejects, and everything is bounded in time.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { withDeadline } from '../../os/time/deadline.js';
import { packet, PACKET } from './packet.js';
import type { PacketConnection } from './packet-connection.js';

/** Most time for telling the other side that this one gives up. */
const ABORT_MS = 500;
/** Most time until the other side has ended its direction, too. */
const LAST_END_MS = 1_000;

/** @returns whether the promise was fulfilled within the time */
export function within(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const fulfilled = promise.then(
    () => true,
    () => false,
  );
  return withDeadline(fulfilled, milliseconds, () => false);
}

/**
 * Ends a connection in order. It stays open until the other side has ended its direction: a write there into a closed connection would lose what
 * that side has not read yet, the last acknowledgement among it.
 * @param lastWord what the other side must read before the end; absent = nothing
 */
export async function closeInOrder(connection: PacketConnection, lastWord?: Buffer): Promise<void> {
  if (lastWord !== undefined) {
    await connection.idle();
    await connection.write(lastWord).catch(() => undefined);
  }
  await connection.finish();
  await within(LAST_END_MS, connection.drain());
  await connection.close();
}

/** Tells the other side that it must not wait. */
export async function abandon(connection: PacketConnection): Promise<void> {
  await within(
    ABORT_MS,
    connection.idle().then(() => connection.write(packet(PACKET.abort, 0))),
  );
  await within(ABORT_MS, connection.close());
  connection.destroy();
}

/** What the other side's packet `abort` means. */
export function gaveUp(label: string): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', `the other side of ${label} has given up`, {
    hint: 'look at the other side for the reason',
  });
}
