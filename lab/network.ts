// The two hosts of src/guest/network.ts for measurements, with named cable rates. A signal that ends a run removes them too.

import { makeNetwork, type Network as TwoHosts } from '../src/guest/network.js';
import { parseRate } from '../src/units.js';
import { undoLater } from './cleanup.js';

export const LINKS = ['none', '1gbit', '100mbit'] as const;
export type LinkRate = (typeof LINKS)[number];

export interface Network extends Omit<TwoHosts, 'change'> {
  /** Changes the rate of a limited cable at once. */
  change(rate: string): void;
}

/** @param rate as tc writes it (`300mbit`); `none` is a cable without a limit */
export function createNetwork(rate: string): Network {
  const hosts = makeNetwork(rate === 'none' ? Infinity : parseRate(rate, 'rate'));
  return {
    ...hosts,
    change: (to) => hosts.change(parseRate(to, 'rate')),
    remove: undoLater(() => hosts.remove()),
  };
}
