// On which links the two sides exchange control messages beside the stream.

import type { Address } from '../link/address.js';

/**
 * True for connections that ramferry opens or accepts itself: their peer is a ramferry unless the user says otherwise. An inherited
 * socket may belong to any program, so it carries no control messages.
 */
export function speaks(address: Address, oneWay: boolean): boolean {
  return !oneWay && ['tcp', 'tcp-listen', 'unix', 'unix-listen'].includes(address.kind);
}
