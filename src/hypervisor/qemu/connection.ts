// The link of a shared-memory migration: one connection, both ways, whose socket a second process can share.

import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource, Channel } from '../../io/bytes.js';
import { type Address, formatAddress } from '../../link/address.js';
import { speaks } from '../../control/handshake.js';

export interface Connection {
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly fd: number;
}

/** @throws ERR_OPTION_INVALID before anything is opened */
export function checkAddress(address: Address, option: 'input' | 'output'): void {
  if (speaks(address, false)) return;
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `${option}: ${formatAddress(address)} does not go both ways, and the hand-over is a dialogue`,
    { hint: 'use tcp:, tcp-listen:, unix: or unix-listen:, through a tunnel if need be' },
  );
}

/** @throws ERR_LINK_CLOSED when the connection is gone already */
export function connectionOf({ source, sink, fd }: Channel): Connection {
  if (source !== undefined && sink !== undefined && fd !== undefined) return { source, sink, fd };
  throw new RamferryError('ERR_LINK_CLOSED', 'the link is gone before anything was said');
}
