// Conversation version 3 at the receiver (docs/FORMAT.md): hears that the sender lives, and keeps the outcome for a sender whose link broke at the
// end. Where the sender speaks version 1, nothing differs.

import { LivingSource } from '../../link/resume/living-source.js';
import { LIVING_VERSION, type Hello, type Result } from '../../control/negotiation.js';
import { OUTCOME_KEPT_MS, OutcomeKeeper } from '../../control/outcome-keeper.js';
import type { Channel } from '../../io/bytes.js';
import type { Address } from '../../link/address.js';
import { ioTimeoutOf, type OpenOptions } from '../../link/options.js';
import type { PeerLink } from '../../link/peer-link.js';

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

export class LivingReceiver {
  readonly #keeper: OutcomeKeeper;
  readonly #opening: OpenOptions;
  #source: LivingSource | undefined;

  /** @param opening with which the link is opened */
  constructor(address: Address, opening: OpenOptions) {
    this.#opening = opening;
    this.#keeper = new OutcomeKeeper({ address, opening, onAsked: () => this.#source?.hurry() });
  }

  /** The options with which the link must be opened. */
  get opening(): OpenOptions {
    return { ...this.#opening, onDoor: this.#keeper.onDoor };
  }

  /**
   * @param isAwaited the sender begins at once, within the limit of silence
   * @returns the source of the stream
   */
  begin(channel: Channel, isAwaited = false): LivingSource {
    this.#source = new LivingSource(channel.source!, {
      isAwaited,
      ioTimeout: ioTimeoutOf(this.#opening),
      onOpen: (id) => this.#keeper.open(id, (channel as PeerLink).provenName),
      onPlain: () => this.#keeper.close(),
    });
    return this.#source;
  }

  /** Keeps the result until the sender has it, within limits of time. @returns whether it has, or cannot ask. Never rejects */
  async keep(result: Result): Promise<boolean> {
    return this.#source === undefined || this.#keeper.keep(result, this.#source);
  }

  close(): void {
    this.#keeper.close();
  }
}
