// The sender's side of conversation version 3 (docs/FORMAT.md): says that this side lives while the hypervisor has nothing to send, and asks how the transfer
// ended when the link breaks at its end. Asks, too, where version 2 carries the link. Where the receiver does not offer it, nothing differs.

import type { Buffer } from 'node:buffer';

import { newId } from '../../link/resume/joining.js';
import { LivingSink } from '../../link/resume/living-sink.js';
import type { Session } from '../../link/resume/session.js';
import type { ControlReader } from '../../control/channel.js';
import { type Hello, LIVING_VERSION, type Result } from '../../control/negotiation.js';
import { askOutcome } from '../../control/outcome-query.js';
import type { ByteSink, Channel } from '../../io/bytes.js';
import type { Address } from '../../link/address.js';
import type { Door, OpenOptions } from '../../link/options.js';
import type { PeerLink } from '../../link/peer-link.js';

export class LivingSender {
  readonly #address: Address;
  readonly #opening: OpenOptions;
  #door: Door | undefined;
  #identity: string | undefined;
  #id: Buffer | undefined;
  #sink: LivingSink | undefined;
  /** Set where a conversation of version 2 carries the link. */
  #session: Session | undefined;
  #keepsOutcome = false;
  #isFinal = (): boolean => false;

  /** @param opening with which the link is opened */
  constructor(address: Address, opening: OpenOptions) {
    this.#address = address;
    this.#opening = opening;
  }

  /** The options with which the link must be opened. */
  get opening(): OpenOptions {
    return {
      ...this.#opening,
      onDoor: (door, identity) => {
        this.#door = door;
        this.#identity = identity;
      },
      upgrade: (channel) => {
        this.#identity ??= (channel as PeerLink).provenName;
        return Promise.resolve(channel);
      },
    };
  }

  /** A conversation of version 2 carries the link: the question names its id. */
  carriedBy(session: Session, id: Buffer): void {
    this.#session = session;
    this.#id = id;
  }

  /** The sink of the stream, for a receiver of this hello. */
  begin({ sink }: Pick<Channel, 'sink'>, hello: Hello, control: ControlReader): ByteSink {
    this.#keepsOutcome = (hello.outcome ?? 0) > 0;
    if (this.#session !== undefined) {
      if (this.#keepsOutcome) return this.#leavable(sink!, this.#session, control);
      this.close();
      return sink!;
    }
    if (hello.conversations?.includes(LIVING_VERSION) !== true) {
      this.close();
      return sink!;
    }
    this.#id = newId();
    this.#sink = new LivingSink(sink!, {
      id: this.#id,
      isFinal: () => this.#isFinal(),
      result: () => (control.result !== undefined ? 'heard' : control.isLost ? 'lost' : 'awaited'),
    });
    // This receiver has heard who comes: from now on it can tell a quiet hypervisor from a sender that is gone.
    if ((hello.introductions ?? []).length > 0) void this.#sink.begin();
    return this.#sink;
  }

  /** Under which the receiver keeps the outcome; undefined where it cannot be asked, or before {@link begin}. */
  get id(): Buffer | undefined {
    return this.#keepsOutcome ? this.#id : undefined;
  }

  /** A sender that asks for the outcome has not given up. */
  #leavable(sink: ByteSink, session: Session, control: ControlReader): ByteSink {
    const mayAsk = (): boolean => control.isLost && control.result === undefined && this.#isFinal();
    return {
      label: sink.label,
      write: (bytes) => sink.write(bytes),
      queued: () => sink.queued(),
      patience: (milliseconds) => sink.patience?.(milliseconds),
      finish: (total) => sink.finish(total),
      abort: async () => (mayAsk() ? session.leave() : sink.abort()),
    };
  }

  /** @param condition whether a byte of the stream's final part may have left, or leaves now */
  finalWhen(condition: () => boolean): void {
    this.#isFinal = condition;
  }

  /** The transfer has ended as it should: tells the receiver that its result was heard. Never rejects. */
  async conclude(): Promise<void> {
    await this.#sink?.conclude();
    this.close();
  }

  /** Asks the receiver how the transfer ended. @returns undefined when nobody answers. Never rejects */
  async ask(): Promise<Result | undefined> {
    const hasBegun = this.#session !== undefined || this.#sink?.isOpen === true;
    if (!hasBegun || !this.#keepsOutcome || this.#opening.signal?.aborted === true) return undefined;
    this.#opening.onWarning?.('the link broke before the outcome was heard: asking the receiver for it');
    this.#session?.leave();
    this.#sink?.leave();
    return askOutcome({
      address: this.#address,
      opening: this.#opening,
      id: this.#id!,
      identity: this.#identity,
      door: this.#door,
    });
  }

  /** The transfer has failed: tells the receiver so, where that is possible at once, and closes the link. Never rejects. */
  async abandon(): Promise<void> {
    await this.#sink?.abort();
    this.close();
  }

  /** The receiver does not come again. */
  close(): void {
    this.#door?.close();
    this.#door = undefined;
  }
}
