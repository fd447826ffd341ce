// The link of `migrate`: conversation version 2 where both sides mend a broken link, else version 3, where the destination offers it
// (docs/FORMAT.md). Nothing of that changes the handover protocol above. Promises: no byte is written after `abandon`.

import type { ControlReader } from '../../control/channel.js';
import type { Hello } from '../../control/negotiation.js';
import { receiver } from '../../control/peer-rules.js';
import { toRamferryError } from '../../errors.js';
import type { ByteSink } from '../../io/bytes.js';
import { type Address, addressOf } from '../../link/address.js';
import { openOutput } from '../../link/open.js';
import type { BreakCount } from '../../link/resume/breaks.js';
import { openOptions } from '../../transfer/plan/opening.js';
import {
  type SenderConversation,
  senderConversation,
  type SenderSettings,
} from '../../transfer/plan/reconnection.js';
import type { RunEnds } from '../../transfer/sender/run-plan.js';
import { LivingSender } from '../../transfer/sender/living.js';
import { type Connection, connectionOf } from './connection.js';
import type { HandoverProtocol } from './handover-protocol.js';
import { type Verdict, verdictIn } from './messages.js';

/** How far the source has come. */
export interface SourceState {
  /** The guest is stopped, or is about to be. */
  readonly isStopped: () => boolean;
  /** GO may have been written: the destination may run the guest. */
  readonly isCommitted: () => boolean;
}

export class SourceLink {
  readonly #address: Address;
  readonly #living: LivingSender;
  readonly #conversation: SenderConversation;
  #connection: Connection | undefined;
  /** A conversation of version 2 carries the link. */
  #isMended = false;
  #sink: ByteSink | undefined;

  /** @throws ERR_OPTION_INVALID */
  constructor(settings: SenderSettings, state: SourceState, count: BreakCount | undefined) {
    const { output, maxBandwidth } = settings;
    const address = addressOf(output);
    this.#address = address;
    this.#living = new LivingSender(address, {
      ...openOptions(settings),
      peer: receiver(),
      ...(maxBandwidth === 0 ? {} : { maxBandwidth }),
    });
    this.#living.finalWhen(state.isCommitted);
    this.#conversation = senderConversation(settings, address, this.#living.opening, {
      isGuestStopped: state.isStopped,
      count,
      onSession: (session, id) => {
        this.#isMended = true;
        this.#living.carriedBy(session, id);
      },
    });
  }

  /** @throws ERR_LINK_… */
  async open(): Promise<Connection> {
    const channel = await openOutput(this.#address, this.#conversation.opening);
    this.#connection = connectionOf(channel, this.#isMended);
    return this.#connection;
  }

  /** The destination has said hello. @returns where the stream goes, and GO behind it */
  begin(hello: Hello, control: ControlReader): ByteSink {
    this.#sink = this.#living.begin(this.#connection!, hello, control);
    return this.#sink;
  }

  /** Under which the destination keeps its verdict for another connection; undefined where it does not, or before {@link begin}. */
  get id(): Buffer | undefined {
    return this.#living.id;
  }

  /** What the transfer uses of it: the handover protocol decides by itself when to ask. */
  get living(): RunEnds['living'] {
    return {
      finalWhen: () => undefined,
      ask: () => Promise.resolve(undefined),
      conclude: () => this.#living.conclude(),
    };
  }

  /**
   * Waits for `running` behind GO; asks on another connection where the link broke before it came.
   * @param written resolves when GO was written
   * @param limit milliseconds on one connection; 0 = no limit
   * @throws as HandoverProtocol.await
   */
  async hearRunning(handover: HandoverProtocol, written: Promise<void>, limit: number): Promise<void> {
    const heard = (): Promise<unknown> => handover.await(['running'], limit, 'that the guest runs');
    try {
      await written.catch((thrown: unknown) => handover.fail(toRamferryError(thrown)));
      await heard();
    } catch (thrown) {
      const isOpen = handover.hasFailed && handover.verdict === undefined;
      const verdict = isOpen ? await this.#ask() : undefined;
      if (verdict === undefined) throw thrown;
      handover.settle(verdict);
      await heard();
    }
  }

  async #ask(): Promise<Verdict | undefined> {
    const result = await this.#living.ask();
    return result && verdictIn(result);
  }

  /** Writes these bytes where the destination expects the stream. Never rejects. */
  async admit(bytes: Uint8Array): Promise<void> {
    await (this.#sink ?? this.#connection?.sink)?.write(bytes).catch(() => undefined);
  }

  /** The migration has failed: says so, where that is possible at once, and closes the link. Never rejects. */
  async abandon(): Promise<void> {
    await this.#living.abandon();
  }

  close(): void {
    this.#conversation.close();
    this.#living.close();
  }
}
