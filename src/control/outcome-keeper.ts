// The receiver's outcome, kept for a sender that has not heard it (docs/FORMAT.md, conversation version 3). Where this side listens it answers
// connections that ask; where it connects, it connects again and tells. Bounded in time.

import { Buffer } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { ExactReader } from '../io/exact-reader.js';
import type { Address } from '../link/address.js';
import type { Door, OpenOptions } from '../link/options.js';
import { checkSamePeer, type PeerLink } from '../link/peer-link.js';
import { asking, IdJudge, readAsking } from '../link/resume/joining.js';
import { PACKET, readPacket } from '../link/resume/packet.js';
import { deferred } from '../os/deferred.js';
import type { Result } from './negotiation.js';
import { type Attempts, connectAgain } from './outcome-attempts.js';
import { ControlWriter, KEEP_ALIVE_MS } from './writer.js';

/** For how long a success is kept. */
export const OUTCOME_KEPT_MS = 60_000;
/** The same for a failure once a byte of the final part has come: the sender then cannot know who has the guest. */
const FAILURE_KEPT_MS = 10_000;
/** The same before that: the sender asks only if it has sent the final part and the link has lost it. */
const BRIEFLY_KEPT_MS = 2_000;
/** Most time for an answer to one connection. */
const ANSWER_MS = 5_000;

export interface OutcomeKeeperOptions {
  /** The address of the link. */
  readonly address: Address;
  /** With which the link is opened. */
  readonly opening: OpenOptions;
  /** Called when the sender asks: it has left its first connection. */
  readonly onAsked: () => void;
}

/** What is known of the sender on the link of its stream. */
export interface SenderWatch {
  /** It has said that it gives up, and will not ask. */
  readonly hasGivenUp: boolean;
  /** The link has ended, or was silent for too long, before this side closed it. */
  readonly isBroken: boolean;
  /** A byte of the stream's final part may have come. */
  readonly isFinal: boolean;
  /** Resolves with whether it has the result; false when that can no longer come on this link. */
  heard(): Promise<boolean>;
}

export class OutcomeKeeper {
  readonly #options: OutcomeKeeperOptions;
  readonly #outcome = deferred<Result>();
  readonly #heard = deferred<boolean>();
  readonly #over = new AbortController();
  #id: Buffer | undefined;
  #offered: number | undefined;
  #door: Door | undefined;
  #identity: string | undefined;

  constructor(options: OutcomeKeeperOptions) {
    this.#options = options;
  }

  /** Where the sender connects again; this object closes the door. */
  readonly onDoor = (door: Door, identity: string | undefined): void => {
    this.#door = door;
    this.#identity = identity;
  };

  /** The sender has opened the conversation. */
  open(id: Buffer, identity: string | undefined): void {
    this.#id = id;
    this.#identity ??= identity;
    this.#door?.open(
      () => new IdJudge(id, 'outcome'),
      (link) => void this.#answer(link),
    );
  }

  /** The result is known: questions are answered, and the time for which it is kept runs. */
  offer(result: Result): void {
    this.#offered ??= performance.now();
    this.#outcome.resolve(result);
  }

  /**
   * Keeps the result until the sender has heard it, or the time is over. Never rejects.
   * @returns whether the sender has it; undefined where the sender does not ask
   */
  async keep(result: Result, from: SenderWatch): Promise<boolean | undefined> {
    this.offer(result);
    // On a living connection the sender hears of a failure at once.
    if (this.#id === undefined || from.hasGivenUp || (!result.ok && !from.isBroken)) {
      this.close();
      return undefined;
    }
    const { signal } = this.#options.opening;
    const forget = onAbort(signal, () => this.#heard.resolve(false));
    const limit = result.ok ? OUTCOME_KEPT_MS : from.isFinal ? FAILURE_KEPT_MS : BRIEFLY_KEPT_MS;
    // The link may have waited for the sender until now.
    const most = Math.max(0, limit - (performance.now() - this.#offered!));
    const timer = setTimeout(() => this.#heard.resolve(false), most);
    void from.heard().then((heard) => {
      if (heard || from.hasGivenUp) this.#heard.resolve(heard);
      else if (this.#over.signal.aborted) return;
      else if (this.#door === undefined) void this.#tell(result, most);
      else this.#options.opening.onWarning?.(keeping(result, most));
    });
    const heard = await this.#heard.promise;
    clearTimeout(timer);
    forget();
    this.close();
    return heard;
  }

  /** No question is answered any more. */
  close(): void {
    this.#over.abort();
    this.#door?.close();
    this.#door = undefined;
  }

  /** Answers a connection that asks. Never rejects. */
  async #answer(link: PeerLink): Promise<void> {
    const forget = onAbort(this.#over.signal, () => void link.sink!.abort());
    try {
      checkSamePeer(link, this.#identity);
      const reader = new ExactReader(link.source!);
      await readAsking(reader);
      this.#options.onAsked();
      const control = new ControlWriter(link.sink!);
      control.reportProgress(() => ({ delivered: 0 }), KEEP_ALIVE_MS);
      const gone = onAbort(this.#over.signal, () => control.stop());
      const result = await this.#outcome.promise;
      gone();
      await control.result(result);
      await this.#awaitHeard(link, reader);
    } catch {
      // The sender asks again.
      await link.sink!.abort();
    } finally {
      forget();
    }
  }

  /** This side had connected: connects again and tells. Never rejects. */
  async #tell(result: Result, most: number): Promise<void> {
    const { address, opening } = this.#options;
    const attempts: Attempts = {
      ...{ address, opening, identity: this.#identity, most },
      signal: this.#over.signal,
    };
    const told = await connectAgain(attempts, async (link) => {
      await link.sink!.write(asking(this.#id!));
      await new ControlWriter(link.sink!).result(result);
      await this.#awaitHeard(link, new ExactReader(link.source!));
      return true;
    });
    if (told === undefined) this.#heard.resolve(false);
  }

  /** @throws what reading throws */
  async #awaitHeard(link: PeerLink, reader: ExactReader): Promise<void> {
    link.source!.patience?.(ANSWER_MS);
    const { type } = await readPacket(reader, (bytes) => Buffer.alloc(bytes), 0);
    if (type !== PACKET.heard) throw new RamferryError('ERR_LINK_NEGOTIATION', `a packet of type ${type}`);
    this.#heard.resolve(true);
    // The last packet of the other side has come.
    await sleep(0);
    await link.source!.close();
  }
}

function keeping(result: Result, most: number): string {
  const outcome = result.ok
    ? 'everything is delivered'
    : `${result.error?.code ?? 'failed'}: ${result.error?.message ?? 'no reason given'}`;
  return `${outcome}; the link broke before the sender could hear that: keeping the outcome for up to ${Math.ceil(most / 1000)} s, in case it asks`;
}
