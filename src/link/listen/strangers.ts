// What listeners have in common in their dealings with connections that are no peer: which one makes room for another, how one is
// closed, and a log that a scanner cannot fill.

import { RamferryError } from '../../errors.js';

/** Number of refused connections that are reported one by one. After that, only the 32nd, the 64th and so on are reported. */
const REPORTED_SINGLY = 16;

/** The oldest connection of the host with the most, so one host cannot displace others. @param connections oldest first, not empty */
export function oldestOfBusiestHost<Connection>(
  connections: Iterable<Connection>,
  hostOf: (connection: Connection) => string,
): Connection {
  const all = [...connections];
  const counts = new Map<string, number>();
  for (const connection of all) counts.set(hostOf(connection), (counts.get(hostOf(connection)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return all.find((connection) => counts.get(hostOf(connection)) === most)!;
}

/** The failure of a connection that this side closes. */
export function closedBecause(why: string): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', `the connection was closed: ${why}`);
}

/** The log of refused connections. */
export class Refusals {
  readonly #onWarning: ((text: string) => void) | undefined;
  readonly #verb: string;
  #count = 0;

  /** @param verb what was done with a connection: `refused`, `closed` */
  constructor(onWarning: ((text: string) => void) | undefined, verb: string) {
    this.#onWarning = onWarning;
    this.#verb = verb;
  }

  get count(): number {
    return this.#count;
  }

  /** @param from address of the other end */
  report(from: string, why: string): void {
    const count = ++this.#count;
    const powerOfTwo = (count & (count - 1)) === 0;
    if (count > REPORTED_SINGLY && !powerOfTwo) return;
    const so = count > REPORTED_SINGLY ? ` (number ${count}; not all are listed)` : '';
    this.#onWarning?.(`${this.#verb} a connection from ${from}: ${why}${so}`);
  }
}
