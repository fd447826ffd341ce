// The connections of a listener whose peer is not yet identified. A judge checks the first bytes of each connection. The first
// connection that speaks the protocol is the peer's. Every other connection is closed and reported with its address and the reason.
// Bounded: at most MAX_WAITING connections wait, and a connection has HELLO_MS from its first byte to its last judged byte.

import { setTimeout as sleep } from 'node:timers/promises';

import { AwakeTimer } from '../../os/time/awake-timer.js';
import type { PeerRules } from '../options.js';
import type { PeerLink } from '../peer-link.js';
import type { Accepted } from './binding.js';
import { closedBecause, oldestOfBusiestHost, type Origin, Refusals } from './strangers.js';

/** Most connections that wait at the same time. */
export const MAX_WAITING = 16;
/** Longest time from the first byte of a connection to the last byte that the judge needs. */
const HELLO_MS = 5_000;
/** How long waiting connections may take to accept the last bytes. */
const FINISH_MS = 500;

/** A connection that is not yet identified. */
export type Newcomer = Accepted;

class Waiting {
  readonly newcomer: Newcomer;
  /** Bytes that have been read and judged. */
  readonly received: Uint8Array[] = [];
  timer: AwakeTimer | undefined;
  /** The chain of writes to the connection. */
  #writes: Promise<void> = Promise.resolve();
  #last: Promise<void> | undefined;
  #writing = false;

  constructor(newcomer: Newcomer) {
    this.newcomer = newcomer;
  }

  get bytes(): number {
    return this.received.reduce((sum, { length }) => sum + length, 0);
  }

  /** Ignores a failed write: the connection's reads fail as well. */
  write(bytes: Uint8Array): void {
    this.#writing = true;
    const mine = this.#writes.then(() => this.newcomer.link.sink!.write(bytes)).catch(() => undefined);
    this.#writes = mine.then(() => {
      if (this.#last === mine) this.#writing = false;
    });
    this.#last = mine;
  }

  writeIfIdle(bytes: Uint8Array): void {
    if (!this.#writing) this.write(bytes);
  }

  async finish(): Promise<void> {
    await this.idle();
    await this.newcomer.link.sink!.finish().catch(() => undefined);
  }

  /** Resolves when no write is pending. */
  async idle(): Promise<void> {
    while (this.#writing) await this.#writes;
  }
}

export interface NewcomersOptions {
  readonly rules: PeerRules;
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Called with the peer's connection. Its source returns the judged bytes again. */
  readonly onPeer: (link: PeerLink) => void;
  /** The peer may have several connections: the others go on waiting when one was chosen. Default false. */
  readonly isForSeveral?: boolean;
  /** Called when the last waiting connection has been closed. */
  readonly onNone: () => void;
}

export class Newcomers {
  readonly #options: NewcomersOptions;
  readonly #refusals: Refusals;
  readonly #waiting = new Set<Waiting>();
  /** Bytes that are written to every connection as soon as it is accepted. */
  readonly #preamble: Uint8Array[] = [];
  #preambleBytes = 0;
  #over = false;

  constructor(options: NewcomersOptions) {
    this.#options = options;
    this.#refusals = new Refusals(options.onWarning, 'closed');
  }

  /** Number of waiting connections. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Number of bytes that are written to every later connection. */
  get preambleBytes(): number {
    return this.#preambleBytes;
  }

  add(newcomer: Newcomer): void {
    this.#options.rules.onConnection?.();
    const waiting = new Waiting(newcomer);
    this.#waiting.add(waiting);
    if (this.#waiting.size > MAX_WAITING) {
      this.#refuse(
        oldestOfBusiestHost(this.#waiting, ({ newcomer }) => newcomer.host),
        `${MAX_WAITING} connections wait, and it was silent for longest`,
      );
    }
    for (const bytes of this.#preamble) waiting.write(bytes);
    void this.#attend(waiting);
  }

  /** Reports a connection that was closed before it came here. */
  turnedAway(origin: Origin, why: string): void {
    this.#refusals.report(origin, why);
  }

  /** Writes to all waiting connections and to later ones. A connection that does not read delays no other. */
  broadcast(bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    this.#preamble.push(copy);
    this.#preambleBytes += copy.length;
    for (const waiting of this.#waiting) waiting.write(copy);
  }

  /** Writes to the waiting connections that have accepted all earlier bytes. */
  broadcastIfIdle(bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    for (const waiting of this.#waiting) waiting.writeIfIdle(copy);
  }

  /** Ends this side's direction of each waiting connection, and closes the connection after FINISH_MS at the latest. */
  async finish(): Promise<void> {
    const all = this.#end();
    const finished = Promise.all(all.map((waiting) => waiting.finish()));
    await Promise.race([finished, sleep(FINISH_MS, undefined, { ref: false })]);
    for (const { newcomer } of all) void newcomer.link.source!.close();
  }

  /** Closes each waiting connection. */
  close(): void {
    for (const { newcomer } of this.#end())
      newcomer.link.fail(closedBecause('nothing is waited for any more'));
  }

  #end(): Waiting[] {
    this.#over = true;
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const { timer } of all) timer?.cancel();
    return all;
  }

  async #attend(waiting: Waiting): Promise<void> {
    const { rules } = this.#options;
    const judge = rules.judge();
    const { source } = waiting.newcomer.link;
    source!.patience?.(0);
    if (rules.silence > 0) this.#limit(waiting, rules.silence);
    while (judge.wanted > 0) {
      const piece = Buffer.alloc(judge.wanted);
      let got = 0;
      let why: string | undefined;
      try {
        got = await source!.read(piece);
      } catch {
        why =
          waiting.bytes === 0 ? 'it broke off without a byte' : `it broke off after ${waiting.bytes} bytes`;
      }
      if (!this.#waiting.has(waiting)) return;
      if (got > 0) {
        if (waiting.bytes === 0) this.#limit(waiting, HELLO_MS);
        waiting.received.push(piece.subarray(0, got));
        why = judge.feed(piece.subarray(0, got));
      } else {
        why ??= waiting.bytes === 0 ? 'it closed without a byte' : `it closed after ${waiting.bytes} bytes`;
      }
      if (why !== undefined) {
        this.#refuse(waiting, why);
        return;
      }
    }
    // The broadcast bytes must be written before the caller's first write to the peer.
    await waiting.idle();
    if (this.#waiting.has(waiting)) this.#choose(waiting);
  }

  #limit(waiting: Waiting, milliseconds: number): void {
    waiting.timer?.cancel();
    waiting.timer = AwakeTimer.start(milliseconds, () => {
      if (!this.#waiting.has(waiting)) return;
      this.#refuse(waiting, `it has not said what it is within ${milliseconds / 1000} s`);
    });
  }

  #refuse(waiting: Waiting, why: string): void {
    this.#waiting.delete(waiting);
    waiting.timer?.cancel();
    this.#refusals.report(waiting.newcomer, why);
    waiting.newcomer.link.fail(closedBecause(why));
    if (this.#waiting.size === 0 && !this.#over) this.#options.onNone();
  }

  #choose(peer: Waiting): void {
    if (this.#options.isForSeveral === true) {
      this.#waiting.delete(peer);
      peer.timer?.cancel();
    } else this.#closeOthers(peer);
    if (peer.bytes > 0) peer.newcomer.link.unread(Buffer.concat(peer.received));
    this.#options.onPeer(peer.newcomer.link);
  }

  #closeOthers(peer: Waiting): void {
    const others = this.#end().filter((waiting) => waiting !== peer);
    for (const other of others) {
      this.#refusals.report(other.newcomer, 'another connection is the peer');
      other.newcomer.link.fail(closedBecause('another connection is the peer'));
    }
  }
}
