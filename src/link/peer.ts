// What tells the peer at an address from others, whatever port this transfer uses. Pure.

import type { Address } from './address.js';

/** Undefined where the address does not say who the peer is: a listener, a descriptor, a stream, a file. */
export function peerOf(address: Address): string | undefined {
  switch (address.kind) {
    case 'tcp':
      return `tcp ${address.host}`;
    case 'unix':
      return `unix ${address.path}`;
    case 'exec':
      return `exec ${address.command}`;
    default:
      return undefined;
  }
}
