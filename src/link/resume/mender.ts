// `Mender`: gets the connections of a transfer: the further ones of several at its beginning, and the next one where one has broken.

import type { Buffer } from 'node:buffer';

import { RamferryError } from '../../errors.js';
import { AwakeDeadline } from '../../os/time/awake-timer.js';
import type { BreakCount } from './breaks.js';
import type { Exchange } from './exchange.js';
import { heal, isMendable } from './healing.js';
import type { Joined } from './joining.js';
import type { Reconnection } from './reconnection.js';

/** Most connections that are made at the same time: a listener lets 16 wait that have not said what they are. */
const AT_ONCE = 8;

export interface MenderOptions {
  /** The link in messages. */
  readonly label: string;
  /** The transfer's id. */
  readonly id: Buffer;
  /** How many connections the transfer has. */
  readonly connections: number;
  readonly exchange: Exchange;
  readonly reconnection: Reconnection;
  /** Milliseconds that this side would wait for a broken link. */
  readonly ownLimit: () => number;
  /** Milliseconds that both sides wait, and that count; 0 = a break ends the transfer. */
  readonly limit: () => number;
  readonly isOver: () => boolean;
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Counts the breaks. */
  readonly count?: BreakCount | undefined;
  /** Called when the transfer cannot go on. */
  readonly onFailure: (reason: RamferryError) => void;
}

export class Mender {
  readonly #options: MenderOptions;
  /** Numbers of connections that have broken and were not replaced yet. */
  readonly #missing = new Set<number>();
  /** Since the last living connection broke. */
  #dark = new AwakeDeadline(0);

  constructor(options: MenderOptions) {
    this.#options = options;
    const { reconnection, id } = options;
    reconnection.accept?.(id, (joined) => this.#onJoined(joined));
  }

  /**
   * Makes the connections besides the first, or waits for them.
   * @param patience milliseconds; 0 = without a limit
   * @throws ERR_LINK_CONNECT, ERR_LINK_TIMEOUT
   */
  async joinAll(patience: number): Promise<void> {
    const { connections, reconnection, limit } = this.#options;
    if (connections === 1) return;
    const until = patience === 0 ? Infinity : performance.now() + patience;
    const left = (): number => until - performance.now();
    if (reconnection.attempt === undefined) await this.#awaitAll(left, patience);
    else {
      const numbers = Array.from({ length: connections - 1 }, (_, index) => index + 1);
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.#connect(numbers, left)));
    }
    // Where no break is mended, no other connection is wanted.
    if (limit() === 0) reconnection.close();
  }

  /** A connection has broken: replaces it, or ends the transfer. */
  broken(reason: RamferryError, number: number): void {
    const { exchange, limit, isOver, onFailure } = this.#options;
    const mends = !isOver() && !exchange.isComplete && exchange.isOpen && isMendable(reason);
    if (mends && limit() > 0) void this.#mend(reason, number);
    else onFailure(mends ? this.#unmended(reason, number) : reason);
  }

  /** Waits for the next connection, or connects. While others live the transfer goes on over them. */
  async #mend(reason: RamferryError, number: number): Promise<void> {
    const { label, exchange, limit, onWarning, onFailure, isOver, count } = this.#options;
    const began = performance.now();
    const { living } = exchange;
    if (living === 0) this.#dark = new AwakeDeadline(0);
    count?.broke(living === 0);
    this.#missing.add(number);
    const what = living === 0 ? 'the link' : this.#name(number);
    const next =
      living === 0
        ? `waiting up to ${limit() / 1000} s for it`
        : `the transfer goes on over ${living} of them`;
    onWarning?.(`${what} broke: ${reason.message}; ${next}`);
    const left = (): number => (exchange.living > 0 ? Infinity : limit() + this.#dark.left);
    const last = await this.#get(number, left, reason);
    if (last !== undefined) {
      count?.end();
      onFailure(gone(label, limit(), last));
    } else if (!isOver())
      onWarning?.(`${what} is back after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }

  /** @returns why there is no connection, when the time is over */
  #get(number: number, left: () => number, reason: RamferryError): Promise<RamferryError | undefined> {
    const { id, exchange, reconnection, ownLimit, isOver } = this.#options;
    const attempt = reconnection.attempt?.bind(reconnection);
    // A connection that comes and breaks at once has a break of its own.
    const connections = exchange.connectionsOf(number);
    const wanted = {
      left,
      isWanted: () => !isOver() && exchange.connectionsOf(number) === connections,
      attempt:
        attempt &&
        ((time: number) => attempt(time, exchange.arrived.received, { id, limit: ownLimit(), number })),
      onJoined: (joined: Joined) => this.#onJoined(joined),
    };
    return heal(wanted, reason);
  }

  async #connect(numbers: number[], left: () => number): Promise<void> {
    const { isOver } = this.#options;
    for (let number = numbers.shift(); number !== undefined && !isOver(); number = numbers.shift()) {
      const last = await this.#get(number, left, this.#absent(number, 'no answer'));
      if (last !== undefined) throw this.#absent(number, last.message);
    }
  }

  async #awaitAll(left: () => number, patience: number): Promise<void> {
    const { connections, exchange, isOver, label } = this.#options;
    const timer = patience === 0 ? undefined : setTimeout(() => exchange.changed.notify(), patience + 1);
    try {
      while (!isOver() && exchange.numbers < connections) {
        if (left() <= 0) {
          throw new RamferryError(
            'ERR_LINK_TIMEOUT',
            `${exchange.numbers} of ${connections} connections to ${label} came within ${patience / 1000} s`,
            { hint: NO_FURTHER },
          );
        }
        await exchange.changed.wait();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #onJoined(joined: Joined): void {
    const { exchange, connections, isOver, count } = this.#options;
    try {
      if (isOver() || joined.number >= connections) throw new Error('not wanted');
      exchange.join(joined);
      // Now, and not when the mending notices: the transfer may end before that.
      if (this.#missing.delete(joined.number)) count?.joined();
    } catch {
      void joined.channel.sink!.abort();
    }
  }

  #name(number: number): string {
    return `connection ${number + 1} of ${this.#options.connections}`;
  }

  #absent(number: number, why: string): RamferryError {
    const text = `${this.#name(number)} to ${this.#options.label} cannot be made: ${why}`;
    return new RamferryError('ERR_LINK_CONNECT', text, { hint: NO_FURTHER });
  }

  /** @returns the error of a broken connection whose break ends the transfer */
  #unmended(reason: RamferryError, number: number): RamferryError {
    const { connections, label } = this.#options;
    if (connections === 1) return reason;
    return new RamferryError(reason.code, `${this.#name(number)} to ${label} broke: ${reason.message}`, {
      cause: reason,
      hint: 'with --reconnect on both sides a transfer goes on over the other connections',
    });
  }
}

const NO_FURTHER =
  'check what lies between the hosts, and that it allows several connections; --connections 1 needs one';

function gone(label: string, limit: number, cause: RamferryError): RamferryError {
  return new RamferryError(
    'ERR_LINK_TIMEOUT',
    `the link to ${label} broke and did not come back within ${limit / 1000} s: ${cause.message}`,
    { cause, hint: 'check the network and the other side, or allow more time with --reconnect' },
  );
}
