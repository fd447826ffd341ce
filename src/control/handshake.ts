// On which links the two sides speak to each other beside the stream.

import type { Address } from '../link/address.js';

/**
 * Connections that ramferry makes or accepts itself have a ramferry at the other end unless the user says otherwise.
 * An inherited socket may belong to any program: nothing is said there.
 */
export function speaks(address: Address, oneWay: boolean): boolean {
  return !oneWay && ['tcp', 'tcp-listen', 'unix', 'unix-listen'].includes(address.kind);
}
