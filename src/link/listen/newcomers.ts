// The connections of a listener whose peer is not known yet. A judge looks at the first bytes of each. The first connection
// that speaks the protocol is the peer's; every other one is closed, and its address and the reason are reported.
// Bounded: at most MAX_WAITING connections wait, and one that has begun to speak has HELLO_MS to finish its first words.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../errors.js';
import { AwakeTimer } from '../../os/awake-timer.js';
import type { PeerRules } from '../options.js';
import type { SocketLink } from '../socket.js';

/** Connections that may wait at a time. */
export const MAX_WAITING = 16;
/** From the first byte of a connection to the last one that the judge needs. */
const HELLO_MS = 5_000;
/** How long connections that wait may take what is said last. */
const LAST_WORDS_MS = 500;
/** So many strangers are reported one by one; then the 32nd, the 64th and so on stand for the others. */
const REPORTED_SINGLY = 16;

/** One connection that has not shown whose it is. */
export interface Newcomer {
  readonly link: SocketLink;
  /** Address of the other end, as a person reads it. */
  readonly from: string;
  /** The part of it that one host cannot change at will. */
  readonly host: string;
}

class Waiting {
  readonly newcomer: Newcomer;
  /** Bytes that were read so far. */
  readonly heard: Uint8Array[] = [];
  timer: AwakeTimer | undefined;
  /** Writes to the connection, one after the other. */
  #writes: Promise<void> = Promise.resolve();
  #last: Promise<void> | undefined;
  #writing = false;

  constructor(newcomer: Newcomer) {
    this.newcomer = newcomer;
  }

  get bytes(): number {
    return this.heard.reduce((sum, { length }) => sum + length, 0);
  }

  /** A connection that does not take the bytes fails its reads, too. */
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

  /** Resolves when nothing that was to be written waits any more. */
  async idle(): Promise<void> {
    while (this.#writing) await this.#writes;
  }
}

export interface NewcomersOptions {
  readonly rules: PeerRules;
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Called with the peer's connection; its source returns the judged bytes again. */
  readonly onPeer: (link: SocketLink) => void;
  /** Called when a connection has left and none waits any more. */
  readonly onNone: () => void;
}

export class Newcomers {
  readonly #options: NewcomersOptions;
  readonly #waiting = new Set<Waiting>();
  /** What a connection is told at once. */
  readonly #preamble: Uint8Array[] = [];
  #preambleBytes = 0;
  #strangers = 0;
  #over = false;

  constructor(options: NewcomersOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Bytes that every later connection will be told at once. */
  get preambleBytes(): number {
    return this.#preambleBytes;
  }

  add(newcomer: Newcomer): void {
    this.#options.rules.onConnection?.();
    const waiting = new Waiting(newcomer);
    this.#waiting.add(waiting);
    if (this.#waiting.size > MAX_WAITING) {
      this.#refuse(this.#longestWaiting(), `${MAX_WAITING} connections wait, and it was silent for longest`);
    }
    for (const bytes of this.#preamble) waiting.write(bytes);
    void this.#attend(waiting);
  }

  /** Tells all that wait now, and those that come later. One that does not listen holds up no other. */
  tell(bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    this.#preamble.push(copy);
    this.#preambleBytes += copy.length;
    for (const waiting of this.#waiting) waiting.write(copy);
  }

  /** Tells those that wait now and have taken everything so far. */
  tellNow(bytes: Uint8Array): void {
    const copy = Uint8Array.from(bytes);
    for (const waiting of this.#waiting) waiting.writeIfIdle(copy);
  }

  /** Ends our direction of each connection that waits, and waits no longer; one that does not listen is closed. */
  async finish(): Promise<void> {
    const all = this.#end();
    const finished = Promise.all(all.map((waiting) => waiting.finish()));
    await Promise.race([finished, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    for (const { newcomer } of all) void newcomer.link.source!.close();
  }

  /** Closes each connection that waits. */
  close(): void {
    for (const { newcomer } of this.#end()) newcomer.link.fail(closed('nothing is waited for any more'));
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
        waiting.heard.push(piece.subarray(0, got));
        why = judge.feed(piece.subarray(0, got));
      } else {
        why ??= waiting.bytes === 0 ? 'it closed without a byte' : `it closed after ${waiting.bytes} bytes`;
      }
      if (why !== undefined) {
        this.#refuse(waiting, why);
        return;
      }
    }
    // Everything that it was told before stands before what it will be told from now on.
    await waiting.idle();
    if (this.#waiting.has(waiting)) this.#choose(waiting);
  }

  /** The one that has to go when there are too many: of the host that has most, so that one host cannot push out others. */
  #longestWaiting(): Waiting {
    const counts = new Map<string, number>();
    for (const { newcomer } of this.#waiting) {
      counts.set(newcomer.host, (counts.get(newcomer.host) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    return [...this.#waiting].find(({ newcomer }) => counts.get(newcomer.host) === most)!;
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
    this.#report(waiting, why);
    waiting.newcomer.link.fail(closed(why));
    if (this.#waiting.size === 0 && !this.#over) this.#options.onNone();
  }

  #choose(peer: Waiting): void {
    const others = this.#end().filter((waiting) => waiting !== peer);
    for (const other of others) {
      this.#report(other, 'another connection is the peer');
      other.newcomer.link.fail(closed('another connection is the peer'));
    }
    if (peer.bytes > 0) peer.newcomer.link.unread(Buffer.concat(peer.heard));
    this.#options.onPeer(peer.newcomer.link);
  }

  #report({ newcomer }: Waiting, why: string): void {
    this.#strangers += 1;
    const count = this.#strangers;
    const powerOfTwo = (count & (count - 1)) === 0;
    if (count > REPORTED_SINGLY && !powerOfTwo) return;
    const so = count > REPORTED_SINGLY ? ` (number ${count}; not all are listed)` : '';
    this.#options.onWarning?.(`closed a connection from ${newcomer.from}: ${why}${so}`);
  }
}

function closed(why: string): RamferryError {
  return new RamferryError('ERR_LINK_CLOSED', `the connection was closed: ${why}`);
}
