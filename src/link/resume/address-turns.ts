// Spreads the connections of one transfer over the addresses of a host name: each begins with another address, so that a host with two
// network cards gets half of them on each. The other addresses remain for the case that this one does not answer.

import dns, { type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';

/**
 * The addresses of a host in the order in which connection `number` tries them. The family of the first one stays the first family,
 * because the system's order says which one works.
 */
export function inTurn(addresses: readonly LookupAddress[], number: number): LookupAddress[] {
  const [first] = addresses;
  const preferred = addresses.filter(({ family }) => family === first?.family);
  const others = addresses.filter(({ family }) => family !== first?.family);
  const begin = preferred.length === 0 ? 0 : number % preferred.length;
  return [...preferred.slice(begin), ...preferred.slice(0, begin), ...others];
}

/** The system's lookup, for connection `number` of a transfer. */
export function lookupInTurn(number: number): LookupFunction {
  return (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (failure, found) => {
      const addresses = failure === null ? inTurn(found, number) : [];
      const [first] = addresses;
      if (options.all === true || first === undefined) callback(failure, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
