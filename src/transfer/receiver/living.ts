// The receiver's side of the sender's signs of life and of its question for the outcome (docs/FORMAT.md, conversation version 3): keeps the outcome for a sender
// whose link broke at the end, also where version 2 carries the link. Where the sender speaks version 1, nothing differs.

import type { Buffer } from 'node:buffer';

import { LivingSource } from '../../link/resume/living-source.js';
import type { Session } from '../../link/resume/session.js';
import { LIVING_VERSION, type Hello, type Result } from '../../control/negotiation.js';
import { OUTCOME_KEPT_MS, OutcomeKeeper } from '../../control/outcome-keeper.js';
import type { Channel } from '../../io/bytes.js';
import type { Address } from '../../link/address.js';
import { ioTimeoutOf, type OpenOptions } from '../../link/options.js';
import type { PeerLink } from '../../link/peer-link.js';
import { KIB } from '../../units.js';

/** What the hello says of it. @param keepsOutcome this side can be asked */
export function livingHello(
  hello: Pick<Hello, 'conversations'>,
  keepsOutcome: boolean,
): Pick<Hello, 'conversations' | 'outcome'> {
  return {
    conversations: [...(hello.conversations ?? []), LIVING_VERSION],
    ...(keepsOutcome ? { outcome: OUTCOME_KEPT_MS } : {}),
  };
}

/** A result of full length, the buffers of a connection on which the sender says nothing, and what belongs to a transfer. */
const KEPT_BYTES = 256 * KIB;

export class LivingReceiver {
  readonly #keeper: OutcomeKeeper;
  readonly #opening: OpenOptions;
  #source: LivingSource | undefined;
  /** Set where a conversation of version 2 carries the link. */
  #session: Session | undefined;

  /** @param opening with which the link is opened */
  constructor(address: Address, opening: OpenOptions) {
    this.#opening = opening;
    const onAsked = (): void => {
      if (this.#session === undefined) this.#source?.hurry();
      else this.#session.leave();
    };
    this.#keeper = new OutcomeKeeper({ address, opening, onAsked });
  }

  /** The options with which the link must be opened. */
  get opening(): OpenOptions {
    return { ...this.#opening, onDoor: this.#keeper.onDoor };
  }

  /** A conversation of version 2 begins: the sender may ask under its id. */
  readonly onSession = (session: Session, id: Buffer, identity: string | undefined): void => {
    this.#session = session;
    this.#keeper.open(id, identity);
  };

  /**
   * @param isAwaited the sender begins at once, within the limit of silence
   * @returns the source of the stream
   */
  begin(channel: Channel, isAwaited = false): LivingSource {
    this.#source = new LivingSource(channel.source!, {
      isAwaited,
      ioTimeout: ioTimeoutOf(this.#opening),
      onOpen: (id) => this.#keeper.open(id, (channel as PeerLink).provenName),
      onPlain: () => {
        if (this.#session === undefined) this.#keeper.close();
      },
    });
    return this.#source;
  }

  /** Answers questions from now on. Call before the result is told on the link. */
  offer(result: Result): void {
    this.#keeper.offer(result);
  }

  /**
   * Keeps the result until the sender has it, within limits of time. Never rejects.
   * @returns whether it has; undefined where it does not ask
   */
  async keep(result: Result): Promise<boolean | undefined> {
    const watched = this.#session ?? this.#source;
    return watched && this.#keeper.keep(result, watched);
  }

  /** Upper bound of the bytes that a kept result holds. */
  get held(): number {
    return KEPT_BYTES + (this.#session?.held ?? 0);
  }

  close(): void {
    this.#keeper.close();
  }
}
