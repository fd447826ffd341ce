// What listeners have in common in their dealings with connections that are no peer: which one makes room for another, how one is
// closed, and a log that a scanner cannot fill.

import { RamferryError } from '../../errors.js';

/** Refused connections of one host that are reported one by one. After that only the 32nd, the 64th and so on are. */
const REPORTED_SINGLY = 16;
/** Hosts that are told apart in the log. */
const MOST_HOSTS = 256;
/** Lines of the log in a burst, and the time after which one more is allowed. */
const MOST_LINES = 128;
const LINE_EVERY_MS = 10_000;

/** Connections at the same time, beyond which those that are silent make room. */
export const MOST_STRANGERS = 64;
/** A burst of peers is not told from a flood at once: a connection of less than these milliseconds makes no room ... */
const GRACE_MS = 1_000;
/** ... as long as there are no more than this. */
const MOST_IN_A_BURST = 1024;

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

/** Where a connection comes from. */
export interface Origin {
  /** Address of the other end, for messages. */
  readonly from: string;
  /** The host part of the address: unlike the port, a host cannot choose it freely. */
  readonly host: string;
}

/** Connections that have not said what they are, bounded in number. */
export class Crowd<Connection extends Origin> {
  readonly #since = new Map<Connection, number>();
  readonly #now: () => number;

  /** @param now milliseconds on a monotonic clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#since.size;
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#since.keys();
  }

  /** @returns the connection that must make room, which no longer counts; undefined = there is room */
  add(connection: Connection): Connection | undefined {
    this.#since.set(connection, this.#now());
    if (this.size <= MOST_STRANGERS) return undefined;
    const oldest = oldestOfBusiestHost(this, ({ host }) => host);
    const isYoung = this.#now() - this.#since.get(oldest)! < GRACE_MS;
    if (isYoung && this.size <= MOST_IN_A_BURST) return undefined;
    this.delete(oldest);
    return oldest;
  }

  delete(connection: Connection): void {
    this.#since.delete(connection);
  }
}

/** The failure of a connection that this side closes. */
export function closedBecause(why: string): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', `the connection was closed: ${why}`);
}

/** The log of refused connections. A host that scans is in it, and neither it nor many hosts together can fill it. */
export class Refusals {
  readonly #onWarning: ((text: string) => void) | undefined;
  readonly #verb: string;
  readonly #now: () => number;
  /** Refused connections of each host; the host that came last is last. */
  readonly #hosts = new Map<string, number>();
  #count = 0;
  #unlisted = 0;
  #lines = MOST_LINES;
  #lineAt: number;

  /**
   * @param verb what was done with a connection: `refused`, `closed`
   * @param now milliseconds on a monotonic clock
   */
  constructor(
    onWarning: ((text: string) => void) | undefined,
    verb: string,
    now: () => number = () => performance.now(),
  ) {
    this.#onWarning = onWarning;
    this.#verb = verb;
    this.#now = now;
    this.#lineAt = now();
  }

  get count(): number {
    return this.#count;
  }

  report({ from, host }: Origin, why: string): void {
    this.#count++;
    const number = (this.#hosts.get(host) ?? 0) + 1;
    this.#hosts.delete(host);
    this.#hosts.set(host, number);
    if (this.#hosts.size > MOST_HOSTS) this.#hosts.delete(this.#hosts.keys().next().value!);
    const powerOfTwo = (number & (number - 1)) === 0;
    if ((number > REPORTED_SINGLY && !powerOfTwo) || !this.#takeLine()) {
      this.#unlisted++;
      return;
    }
    const which = number > REPORTED_SINGLY ? `number ${number} of this host` : undefined;
    const others = this.#unlisted > 0 ? `${this.#unlisted} others are not listed` : undefined;
    const notes = [which, others].filter((note) => note !== undefined).join('; ');
    this.#unlisted = 0;
    this.#onWarning?.(`${this.#verb} a connection from ${from}: ${why}${notes === '' ? '' : ` (${notes})`}`);
  }

  /** Whether the log may have one more line. */
  #takeLine(): boolean {
    const earned = Math.floor((this.#now() - this.#lineAt) / LINE_EVERY_MS);
    this.#lineAt += earned * LINE_EVERY_MS;
    this.#lines = Math.min(MOST_LINES, this.#lines + earned);
    if (this.#lines === 0) return false;
    this.#lines--;
    return true;
  }
}
