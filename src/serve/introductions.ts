// Connections of senders before their transfer: greets each, and hears which guest it brings. A connection that says anything else, or
// nothing in time, is refused by code and costs no other anything. Bounded: so many are heard at the same time (strangers.ts).

import { Buffer } from 'node:buffer';

import { nextMessage } from '../control/channel.js';
import { ControlWriter, greetingOf } from '../control/writer.js';
import { INTRODUCTION_MAGIC, MESSAGE } from '../control/messages.js';
import { type Hello, type Introduction, readIntroduction } from '../control/negotiation.js';
import { RamferryError, toRamferryError } from '../errors.js';
import { ExactReader } from '../io/exact-reader.js';
import type { Accepted } from '../link/listen/binding.js';
import { AwakeTimer } from '../os/time/awake-timer.js';
import { closedBecause, Crowd, type Refusals } from '../link/listen/strangers.js';
import type { PeerLink } from '../link/peer-link.js';
import { INTRODUCTION_BYTES, isLaterMagic } from '../link/resume/joining.js';

/** Milliseconds from the connection to the last byte of the introduction. */
const INTRODUCTION_MS = 5_000;
/** Milliseconds that a refused peer may take to read why. */
const REASON_MS = 1_000;

/** A sender that has said what it brings. */
export interface Introduced {
  readonly accepted: Accepted;
  readonly control: ControlWriter;
  readonly introduction: Introduction;
}

/** The transfers that wait for a later connection of their peer. */
export interface LaterTransfers {
  /**
   * Hands a later connection to its transfer.
   * @param first what was read of it: the magic and a packet with the transfer's id
   * @returns false when it names none that waits; the caller must close it
   */
  take(first: Uint8Array, link: PeerLink): boolean | Promise<boolean>;
}

export interface IntroductionsOptions {
  readonly hello: Hello;
  readonly refusals: Refusals;
  /** What a sender that introduces itself otherwise is told. */
  readonly uninvited: RamferryError;
  readonly isInvited: (introduction: Introduction) => boolean;
  readonly onIntroduced: (introduced: Introduced) => void;
  /** Absent = each connection is the first of a transfer. */
  readonly later?: LaterTransfers | undefined;
}

export class Introductions {
  readonly #options: IntroductionsOptions;
  readonly #strangers = new Crowd<Accepted>();

  constructor(options: IntroductionsOptions) {
    this.#options = options;
  }

  add(accepted: Accepted): void {
    this.#strangers.add(accepted)?.link.fail(closedBecause('too many connections say nothing'));
    void this.#hear(accepted);
  }

  /** Closes the connections that have not introduced themselves. */
  close(): void {
    for (const accepted of this.#strangers)
      accepted.link.fail(closedBecause('the server takes no more transfers'));
  }

  async #hear(accepted: Accepted): Promise<void> {
    const { hello, refusals, uninvited, onIntroduced } = this.#options;
    const { link } = accepted;
    const control = new ControlWriter(link.sink!);
    const timer = AwakeTimer.start(INTRODUCTION_MS, () => {
      void link.source!.close();
    });
    try {
      await link.sink!.write(greetingOf(hello));
      const reader = new ExactReader(link.source!, undefined, true);
      const magic = Buffer.alloc(INTRODUCTION_MAGIC.length);
      await reader.exactly(magic);
      const { later } = this.#options;
      if (later !== undefined && isLaterMagic(magic)) {
        await this.#returned(accepted, later, magic, reader);
        return;
      }
      const introduction = await this.#introduction(magic, reader);
      this.#strangers.delete(accepted);
      onIntroduced({ accepted, control, introduction });
    } catch (thrown) {
      const error = toRamferryError(thrown, 'ERR_LINK_CLOSED');
      const late = error.code === 'ERR_LINK_CLOSED' && error.cause === undefined;
      const reason = late ? uninvited : error;
      refusals.report(accepted, reason.message);
      await refuse(accepted, control, reason);
    } finally {
      timer.cancel();
      this.#strangers.delete(accepted);
    }
  }

  /** Hands a later connection to its transfer. One that names none gets no result: a sender would take it for its transfer's. */
  async #returned(
    accepted: Accepted,
    later: LaterTransfers,
    magic: Buffer,
    reader: ExactReader,
  ): Promise<void> {
    const rest = Buffer.alloc(INTRODUCTION_BYTES - magic.length);
    let isTaken = false;
    try {
      await reader.exactly(rest);
      isTaken = await later.take(Buffer.concat([magic, rest]), accepted.link);
    } catch {
      // It ended, or was silent for too long.
    }
    if (isTaken) return;
    this.#options.refusals.report(accepted, 'it names no transfer that runs or has just ended here');
    accepted.link.fail(closedBecause('it names no transfer'));
  }

  async #introduction(magic: Buffer, reader: ExactReader): Promise<Introduction> {
    const { uninvited, isInvited } = this.#options;
    if (!magic.equals(INTRODUCTION_MAGIC)) throw uninvited;
    const { type, body } = await nextMessage(reader);
    if (type !== MESSAGE.introduction) throw uninvited;
    const introduction = readIntroduction(body);
    if (!isInvited(introduction)) throw uninvited;
    return introduction;
  }
}

/** Tells the sender why, and closes its connection. Never rejects. */
export async function refuse(
  { link }: Accepted,
  control: ControlWriter,
  error: RamferryError,
): Promise<void> {
  const timer = AwakeTimer.start(REASON_MS, () => link.fail(closedBecause(error.message)));
  await control.result({ ok: false, bytes: 0, error: error.toData() });
  timer.cancel();
  await link.source!.close();
}
