// Where the next connection of a transfer comes from when one has broken: this side connects again, or its listener accepts the other.

import { setTimeout as sleep } from 'node:timers/promises';

import { toRamferryError } from '../../errors.js';
import type { Address } from '../address.js';
import { connectTo } from '../connect.js';
import type { Door, OpenOptions } from '../options.js';
import { checkSamePeer, type PeerLink } from '../peer-link.js';
import { lookupInTurn } from './address-turns.js';
import { join, type Joined, joinedBy, IdJudge, type Presentation } from './joining.js';

export interface Reconnection {
  /** Sets who gets connections that the other side has made and that present the id. May be called while another connection lives. */
  accept?(id: Buffer, onJoined: (joined: Joined) => void): void;
  /**
   * One attempt to connect, after a pause.
   * @param left milliseconds that may pass
   * @throws why it failed
   */
  attempt?(left: number, received: number, of: Presentation): Promise<Joined>;
  /** No connection is wanted any more. May be called twice. */
  close(): void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** Most time for one attempt: the kernel repeats the first packet of a connection after 1, 3, 7 s, and the link may be back between. */
const ATTEMPT_MS = 2_000;
/** Most time that the other side may take to answer, and the time that it gets at least. */
const ANSWER_MS = 5_000;
const LEAST_ANSWER_MS = 1_000;
/** Share of the time that is left which an answer may take: a connection that swallows everything must leave time for others. */
const ANSWER_SHARE = 1 / 4;

type Peer = Extract<Address, { kind: 'tcp' | 'unix' }>;

/** This side connects: to each address of the host's name in turn, with pauses that grow and differ by chance. */
export class Caller implements Reconnection {
  readonly #peer: Peer;
  readonly #options: OpenOptions;
  readonly #identity: string | undefined;
  /** Milliseconds before the next attempt, by the connection's number. */
  readonly #pauses = new Map<number, number>();

  /**
   * @param options as of the first connection
   * @param identity whom the first connection's certificate named; a later one must name the same
   */
  constructor(peer: Peer, options: OpenOptions, identity: string | undefined) {
    this.#peer = peer;
    this.#options = options;
    this.#identity = identity;
  }

  async attempt(left: number, received: number, of: Presentation): Promise<Joined> {
    const { signal } = this.#options;
    const pause = this.#pauses.get(of.number) ?? 0;
    await sleep(Math.min(left, pause * (0.5 + Math.random() / 2)), undefined, { signal });
    this.#pauses.set(of.number, Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pause * 2)));
    const link = await connectTo(this.#peer, {
      ...this.#options,
      greeting: undefined,
      lookup: lookupInTurn(of.number),
      connectTimeout: Math.max(1, Math.min(left, ATTEMPT_MS)),
    });
    try {
      checkSamePeer(link, this.#identity);
      const answer = Math.max(LEAST_ANSWER_MS, Math.min(left * ANSWER_SHARE, ANSWER_MS));
      link.source!.patience?.(Math.max(1, Math.min(left, answer)));
      const joined = await join(link, received, of);
      this.#pauses.delete(of.number);
      return joined;
    } catch (thrown) {
      await link.sink!.abort();
      throw thrown;
    }
  }

  close(): void {
    // The next attempt is not made.
  }
}

/** This side listens: the door stays open while the transfer runs. */
export class Doorway implements Reconnection {
  readonly #door: Door;
  readonly #identity: string | undefined;
  readonly #onWarning: ((text: string) => void) | undefined;
  #isClosed = false;

  constructor(door: Door, identity: string | undefined, onWarning?: (text: string) => void) {
    this.#door = door;
    this.#identity = identity;
    this.#onWarning = onWarning;
  }

  accept(id: Buffer, onJoined: (joined: Joined) => void): void {
    this.#door.open(
      () => new IdJudge(id),
      (link) => void this.#admit(link).then((joined) => joined !== undefined && onJoined(joined)),
    );
  }

  async #admit(link: PeerLink): Promise<Joined | undefined> {
    try {
      checkSamePeer(link, this.#identity);
      return await joinedBy(link);
    } catch (thrown) {
      this.#onWarning?.(`refused a connection to the running transfer: ${toRamferryError(thrown).message}`);
      link.fail(toRamferryError(thrown));
      return undefined;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#door.close();
  }
}
