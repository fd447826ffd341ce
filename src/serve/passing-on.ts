// A connection that one process of a server passes on to another, through a local connection between the two. Under TLS only the process that made the
// handshake can read it.

import { Buffer } from 'node:buffer';
import type net from 'node:net';

import { toRamferryError } from '../errors.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import { accept } from '../link/listen/binding.js';
import type { PeerLink } from '../link/peer-link.js';

const BUFFER_BYTES = 262_144;

/**
 * Makes a link of a local connection from another process of this server.
 * @param provenName what the other side of the transfer has proved to that process
 * @returns undefined when it is gone already
 */
export function localLink(
  socket: net.Socket,
  label: string,
  provenName: string | undefined,
): PeerLink | undefined {
  let link: PeerLink | undefined;
  accept(socket, 'unix-listen', {
    ...{ label, ioTimeout: 0 },
    onTurnedAway: () => undefined,
    onAccepted: (accepted) => (link = accepted.link),
  });
  return link && Object.assign(link, { provenName });
}

/**
 * Passes the bytes of both directions until both have ended, or one fails: then both are closed. Never rejects.
 * @param ioTimeout milliseconds that the peer may be silent once the other shard has ended; 0 = no limit
 */
export async function passOn(peer: PeerLink, local: PeerLink, ioTimeout: number): Promise<void> {
  const end = (thrown: unknown): void => {
    for (const link of [peer, local]) link.fail(toRamferryError(thrown));
  };
  await Promise.all([
    pass(peer.source!, local.sink!).catch(end),
    pass(local.source!, peer.sink!)
      .then(() => peer.source!.patience?.(ioTimeout))
      .catch(end),
  ]);
  await Promise.all([peer.source!.close(), local.source!.close()]);
}

async function pass(from: ByteSource, to: ByteSink): Promise<void> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  from.patience?.(0);
  to.patience?.(0);
  for (;;) {
    const got = await from.read(buffer);
    if (got === 0) return to.finish();
    await to.write(buffer.subarray(0, got));
  }
}
