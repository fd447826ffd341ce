// The source's view of the dialogue: waits, with limits, for what the destination says, in the order of the protocol. What the
// destination says out of turn is an error; only that it refuses, or does not know, may come at any time.
// A failure of the link or of anything else ends every wait, now and later; a verdict that was heard before stays heard.

import { RamferryError } from '../../errors.js';
import { withDeadline } from '../../os/deadline.js';
import { Signal } from '../../os/signal.js';
import { isVerdict, readSaying, type Saying, type Verdict } from './messages.js';

type Kind = Saying['say'];

export class HandoverProtocol {
  readonly #heard: Saying[] = [];
  /** What may come now, each once. */
  readonly #expected = new Set<Kind>(['refused', 'unknown']);
  readonly #changed = new Signal();
  #failure: RamferryError | undefined;

  /** What the destination has decided, as far as it was heard. */
  get verdict(): Verdict | undefined {
    return this.#heard.find(isVerdict);
  }

  /** From now on the destination may say this, once: what it answers is about to leave. */
  expect(kind: Kind): void {
    this.#expected.add(kind);
  }

  /**
   * Takes a message of the way back.
   * @throws ERR_LINK_NEGOTIATION for one that is not understood, or comes out of turn
   */
  hear(body: Buffer): void {
    const saying = readSaying(body);
    if (!this.#expected.delete(saying.say)) {
      throw new RamferryError('ERR_LINK_NEGOTIATION', `the destination says ${saying.say} out of turn`, {
        hint: 'use the same ramferry on both sides',
      });
    }
    this.#heard.push(saying);
    this.#changed.notify();
  }

  fail(error: RamferryError): void {
    this.#failure ??= error;
    this.#changed.notify();
  }

  /**
   * Waits for one of these.
   * @param limit in milliseconds; 0 waits for ever
   * @throws ERR_LINK_TIMEOUT, ERR_PEER_FAILED when the destination gives up first, or what fail() was told
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

/** GO may have arrived, and no verdict came. */
export function unknownOutcome(error: RamferryError): RamferryError {
  return new RamferryError(
    'ERR_HANDOVER_UNKNOWN',
    `whether the guest runs at the destination is not known: ${error.describe()}; here it stays stopped`,
    {
      cause: error,
      hint: "ask the destination's QEMU (query-status): if its guest runs, quit the source; if it is gone, cont the source",
    },
  );
}
