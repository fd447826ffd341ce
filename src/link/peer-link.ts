// A connection that may turn out to be the peer's: what has been read to find out can be put back, and it can be given up.

import type net from 'node:net';

import { RamferryError } from '../errors.js';
import type { Channel } from '../io/bytes.js';

export interface PeerLink extends Channel {
  /** The connection, to ask whether it is still there. Its bytes go through source and sink only. */
  readonly socket: net.Socket;
  /** Under TLS: the subject of the other side's certificate, or its name for the shared key. Absent in the clear. */
  readonly provenName?: string | undefined;
  /** Puts back bytes that were read from the source. The next reads return them first. */
  unread(bytes: Uint8Array): void;
  /** Aborts both directions: pending and later calls reject with `reason`. */
  fail(reason: RamferryError): void;
}

/**
 * Checks a later connection of one transfer.
 * @param identity the proven name of the first connection
 * @throws ERR_LINK_TLS when another peer has made this one
 */
export function checkSamePeer({ provenName }: PeerLink, identity: string | undefined): void {
  if (provenName === identity) return;
  throw new RamferryError('ERR_LINK_TLS', 'another certificate than that of the first connection');
}
