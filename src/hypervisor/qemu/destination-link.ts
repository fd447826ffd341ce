// The link of `incoming`: offers conversation version 3, and version 2 where it mends a broken link (docs/FORMAT.md); the source decides. Promises
// that a source which asks on another connection hears how the handover ended.

import type { Hello, Result } from '../../control/negotiation.js';
import { migration } from '../../control/peer-rules.js';
import { ControlWriter, greetingOf } from '../../control/writer.js';
import type { ByteSource } from '../../io/bytes.js';
import { type Address, parseAddress } from '../../link/address.js';
import { openInput } from '../../link/open.js';
import type { OpenOptions } from '../../link/options.js';
import type { BreakCount } from '../../link/resume/breaks.js';
import { LivingReceiver, livingHello } from '../../transfer/receiver/living.js';
import { type ReceiverConversation, receiverConversation } from '../../transfer/plan/reconnection.js';
import { type Connection, connectionOf } from './connection.js';

export interface DestinationLinkOptions {
  readonly input: string;
  /** With which the link is opened. */
  readonly opening: OpenOptions;
  /** Milliseconds that a broken link may take to come back. */
  readonly reconnect: number;
  /** The same without a byte. */
  readonly ioTimeout: number;
  readonly count: BreakCount | undefined;
}

export class DestinationLink {
  readonly #options: DestinationLinkOptions;
  readonly #address: Address;
  readonly #living: LivingReceiver;
  readonly #conversation: ReceiverConversation;
  #control: ControlWriter | undefined;
  #source: ByteSource | undefined;

  /** @throws ERR_OPTION_INVALID */
  constructor(options: DestinationLinkOptions) {
    const { input, opening, reconnect, count } = options;
    this.#options = options;
    this.#address = parseAddress(input);
    this.#living = new LivingReceiver(this.#address, opening);
    const settings = { reconnect, connections: 1, oneWay: false, window: 0 };
    this.#conversation = receiverConversation(settings, this.#address, this.#living.opening, {
      count,
      onSession: this.#living.onSession,
    });
  }

  /** Where the destination's messages go. */
  get control(): ControlWriter | undefined {
    return this.#control;
  }

  /** @param hello without what this link adds. @throws ERR_LINK_… */
  async open(hello: Hello): Promise<Connection> {
    const { isOffered, hello: resumable } = this.#conversation;
    const greeting = { ...hello, ...resumable, ...livingHello(resumable, true) };
    const channel = await openInput(this.#address, {
      ...this.#conversation.opening,
      peer: migration(this.#options.ioTimeout, isOffered),
      greeting: () => greetingOf(greeting),
    });
    const { fd } = connectionOf(channel);
    const upgraded = this.#conversation.upgrade(channel);
    this.#source = this.#living.begin(upgraded);
    this.#control = new ControlWriter(upgraded.sink!);
    return { source: this.#source, sink: upgraded.sink!, fd };
  }

  /** Says the result on the link. Where that mends, until the source has it, within limits of time. Never rejects. */
  async tell(result: Result): Promise<void> {
    this.#living.offer(result);
    await this.#control?.result(result);
  }

  /** Keeps the result for a source that has not heard it, within limits of time. Never rejects. */
  async keep(result: Result): Promise<void> {
    if (this.#control !== undefined) await this.#living.keep(result);
  }

  close(): void {
    this.#conversation.close();
    this.#living.close();
  }
}
