// The connection of a transfer that carries no stream. It is made first and lives as long as the transfer: the receiver tells its outcome on it, and
// its end tells the receiver that the hypervisor opens no more connections.

import { ControlReader } from '../control/channel.js';
import { receiver } from '../control/peer-rules.js';
import type { Channel } from '../io/bytes.js';
import { openOutput } from '../link/open.js';
import type { OpenOptions } from '../link/options.js';
import { introduce } from '../transfer/sender/introduce.js';
import type { Target } from './settings.js';

export class Conversation {
  readonly #link: Channel;
  readonly #control: ControlReader;

  private constructor(link: Channel, control: ControlReader) {
    this.#link = link;
    this.#control = control;
  }

  /** @throws ERR_LINK_CONNECT, ERR_LINK_TLS; ERR_LINK_NEGOTIATION when the receiver takes one connection */
  static async open(to: Target, opening: OpenOptions, transfer: string): Promise<Conversation> {
    const link = await openOutput(to, { ...opening, peer: receiver() });
    const control = new ControlReader(link.source!, () => Promise.resolve());
    try {
      const hello = await control.hello();
      await introduce({ transfer }, { hello, control, sink: link.sink!, onWarning: opening.onWarning });
    } catch (thrown) {
      await link.source!.close();
      throw thrown;
    }
    return new Conversation(link, control);
  }

  /** Rejects when the receiver has failed; never resolves. */
  failure(): Promise<never> {
    return this.#control.failure();
  }

  /** Says that no more connections come, and waits for the receiver's outcome. @throws the receiver's error */
  async end(): Promise<void> {
    this.#control.acceptSuccessWhen(() => true);
    await this.#link.sink!.finish();
    await this.#control.success();
  }

  async close(): Promise<void> {
    await this.#link.sink!.abort();
    await this.#link.source!.close();
  }
}
