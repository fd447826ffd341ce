// The source's side of the handover protocol: waits, with limits, for the destination's messages in their order. A message out
// of order is an error; only `refused` and `unknown` may come at any time.
// A failure ends every wait, now and later; a verdict received before the failure stays valid.

import { RamferryError } from '../../errors.js';
import { withDeadline } from '../../os/time/deadline.js';
import { Signal } from '../../os/signal.js';
import { isVerdict, readSaying, type Saying, type Verdict } from './messages.js';

type Kind = Saying['say'];

export class HandoverProtocol {
  readonly #heard: Saying[] = [];
  /** The messages that may come now, each once. */
  readonly #expected = new Set<Kind>(['refused', 'unknown']);
  readonly #changed = new Signal();
  #failure: RamferryError | undefined;

  /** The destination's decision, if it has come. */
  get verdict(): Verdict | undefined {
    return this.#heard.find(isVerdict);
  }

  /** Allows this message once; called before the message that it answers leaves. */
  expect(kind: Kind): void {
    this.#expected.add(kind);
  }

  /**
   * Takes a message of the destination.
   * @throws ERR_LINK_NEGOTIATION for an unknown message, or one out of order
   */
  hear(body: Buffer): void {
    const saying = readSaying(body);
    if (!this.#expected.delete(saying.say)) {
      throw new RamferryError('ERR_LINK_NEGOTIATION', `the destination says ${saying.say} out of order`, {
        hint: 'use the same ramferry on both sides',
      });
    }
    this.#heard.push(saying);
    this.#changed.notify();
  }

  /** The link is lost: without {@link settle} no further message comes. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes the verdict that the destination has given on another connection. */
  settle(verdict: Verdict): void {
    this.#heard.push(verdict);
    this.#changed.notify();
  }

  fail(error: RamferryError): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  /**
   * Waits for one of these messages.
   * @param limit in milliseconds; 0 = no limit
   * @param what names the message in the error
   * @throws ERR_LINK_TIMEOUT; ERR_PEER_FAILED when the destination gives up first; the error of fail()
   */
  async await<K extends Kind>(
    wanted: readonly K[],
    limit: number,
    what: string,
  ): Promise<Extract<Saying, { say: K }>> {
    const answer = this.#first(wanted) as Promise<Extract<Saying, { say: K }>>;
    if (limit === 0) return answer;
    return withDeadline(answer, limit, () => {
      throw new RamferryError(
        'ERR_LINK_TIMEOUT',
        `the destination has not said ${what} for ${limit / 1000} s`,
        { hint: 'look at the destination; --io-timeout allows it more time' },
      );
    });
  }

  async #first(wanted: readonly Kind[]): Promise<Saying> {
    for (;;) {
      const found = this.#heard.find(({ say }) => wanted.includes(say));
      if (found !== undefined) return found;
      const { verdict } = this;
      if (verdict !== undefined) throw verdictError(verdict);
      if (this.#failure !== undefined) throw this.#failure;
      await this.#changed.wait();
    }
  }
}

export function verdictError(verdict: Verdict): RamferryError {
  const why = 'reason' in verdict ? `: ${verdict.reason}` : '';
  return new RamferryError('ERR_PEER_FAILED', `the destination says ${verdict.say}${why}`);
}

/** The error where GO may have arrived and no verdict came. */
export function unknownOutcome(error: RamferryError): RamferryError {
  return new RamferryError(
    'ERR_HANDOVER_UNKNOWN',
    `it is unknown whether the guest runs at the destination: ${error.describe()}; here it stays stopped`,
    {
      cause: error,
      hint: "ask the destination's QEMU (query-status): if its guest runs, quit the source; if it is gone, cont the source",
    },
  );
}
