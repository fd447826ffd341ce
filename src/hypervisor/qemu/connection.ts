// The link of a shared-memory migration: duplex, over a socket that the watchdog process shares where the link is one connection.

import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import { type Address, formatAddress } from '../../link/address.js';
import { speaks } from '../../control/handshake.js';

export interface Connection {
  readonly source: ByteSource;
  readonly sink: ByteSink;
  /** Undefined where one connection after the other carries the link. */
  readonly fd: number | undefined;
}

/** Opens nothing. @throws ERR_OPTION_INVALID for an address of a one-way link */
export function checkAddress(address: Address, option: 'input' | 'output'): void {
  if (speaks(address, false)) return;
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `${option}: ${formatAddress(address)} is one-way, and the handover needs both directions`,
    { hint: 'use tcp:, tcp-listen:, unix: or unix-listen:, if necessary through a tunnel' },
  );
}

/** @param isMended a conversation of version 2 carries the link. @throws ERR_LINK_CLOSED when the connection is already closed */
export function connectionOf({ source, sink, fd }: Channel, isMended = false): Connection {
  if (source !== undefined && sink !== undefined && (fd !== undefined || isMended)) {
    return { source, sink, fd: isMended ? undefined : fd };
  }
  throw new RamferryError('ERR_LINK_CLOSED', 'the link was closed before the first message');
}
