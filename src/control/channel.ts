// `ControlReader`: the sender's end of the control messages (docs/FORMAT.md, "The way back"). Reads them as they come and keeps the last
// acknowledgement and the result. The receiver's end is in writer.ts.

import { Buffer } from 'node:buffer';

import {
  CONTROL_MAGIC,
  INTRODUCTION_MAGIC,
  type Message,
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  messageRest,
  readMessage,
} from './messages.js';
import {
  type Hello,
  type Introduction,
  INTRODUCTION_VERSION,
  introductionMessage,
  peerFailure,
  type Place,
  readHello,
  readPlace,
  readResult,
  type Result,
} from './negotiation.js';
import { readProgress } from './progress.js';
import type { StatedSums } from '../container/sums.js';
import { RamferryError, toRamferryError } from '../errors.js';
import type { ByteSource } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import type { Waiting } from '../io/waiting-source.js';

/** First byte of a TLS alert, which a receiver under TLS sends to a peer that makes no handshake. */
const TLS_ALERT = 0x15;

/** What a sender with a receiver of this hello says before its stream; undefined where the receiver does not ask for it. */
export function introductionTo(hello: Hello, introduction: Introduction): Buffer | undefined {
  if (hello.introductions?.includes(INTRODUCTION_VERSION) !== true) return undefined;
  return Buffer.concat([INTRODUCTION_MAGIC, introductionMessage(introduction)]);
}

/**
 * Where a sender stands in the conversation (FORMAT.md, "The conversation as a state machine"): nothing was heard; the magic was
 * heard; the hello was accepted; the last byte of the stream may have left; a result was heard.
 */
export type ConversationState = 'greeting' | 'hello' | 'stream' | 'end' | 'over';

/** The sender's side. */
export class ControlReader {
  readonly #reader: ExactReader;
  readonly #onBackward: (bytes: Buffer) => Promise<void>;
  readonly #hello: Promise<Hello>;
  readonly #result: Promise<Result>;
  readonly #onDelivered: ((bytes: number) => void)[] = [];
  readonly #onWaiting: ((waiting: Waiting) => void)[] = [];
  readonly #onPlace: ((place: Place) => void)[] = [];
  #state: 'greeting' | 'hello' | 'stream' | 'over' = 'greeting';
  #successIsPossible: () => boolean = () => false;
  #delivered = 0;
  #received: Result | undefined;
  #isLost = false;

  constructor(source: ByteSource, onBackward: (bytes: Buffer) => Promise<void>) {
    this.#reader = new ExactReader(source);
    this.#onBackward = onBackward;
    this.#hello = readGreeting(this.#reader, () => {
      this.#state = 'hello';
      return this.#message();
    });
    this.#result = this.#hello.then(() => this.#listen());
    // Callers of hello(), success() and failure() get the rejection; without a caller it is no unhandled rejection.
    this.#hello.catch(() => undefined);
    this.#result.catch(() => (this.#isLost = true));
  }

  get state(): ConversationState {
    return this.#state === 'stream' && this.#successIsPossible() ? 'end' : this.#state;
  }

  /** Decoded bytes that the receiver has acknowledged so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /** The link ended, or said what has no place, before a result: none will come on it. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** The result message; undefined before it has arrived. */
  get result(): Result | undefined {
    return this.#received;
  }

  /** Calls `listener` with each acknowledgement: all decoded bytes that the receiver has delivered. */
  onDelivered(listener: (bytes: number) => void): void {
    this.#onDelivered.push(listener);
  }

  /** Calls `listener` with each report of how long the receiver has waited for the link. */
  onWaiting(listener: (waiting: Waiting) => void): void {
    this.#onWaiting.push(listener);
  }

  /** Calls `listener` with each place in the receiver's line. */
  onPlace(listener: (place: Place) => void): void {
    this.#onPlace.push(listener);
  }

  /**
   * Resolves when the receiver says that this transfer begins.
   * @throws as {@link success}
   */
  async admitted(): Promise<void> {
    const admitted = new Promise<void>((resolve) => {
      this.onPlace(({ ahead }) => {
        if (ahead === 0) resolve();
      });
    });
    await Promise.race([admitted, this.failure()]);
  }

  /** @param condition whether the receiver may have the whole stream; while it does not hold, a success is refused */
  acceptSuccessWhen(condition: () => boolean): void {
    this.#successIsPossible = condition;
  }

  hello(): Promise<Hello> {
    return this.#hello;
  }

  /**
   * Resolves when the receiver reports success. The caller compares the sums.
   * @throws ERR_PEER_FAILED with the receiver's reason, ERR_LINK_CLOSED when the receiver closed the link without a result,
   *   ERR_LINK_NEGOTIATION for a message that this state does not allow
   */
  async success(): Promise<StatedSums> {
    const result = await this.#result;
    if (!result.ok) throw peerFailure(result);
    return result;
  }

  /** Rejects as soon as the receiver has failed; never resolves. */
  async failure(): Promise<never> {
    await this.success();
    return new Promise<never>(() => undefined);
  }

  async #listen(): Promise<Result> {
    this.#state = 'stream';
    for (;;) {
      const { type, body } = await this.#message();
      if (type === MESSAGE.result) return this.#ended(readResult(body));
      const progress = type === MESSAGE.progress ? readProgress(body) : undefined;
      if (progress !== undefined) {
        this.#delivered = progress.delivered;
        for (const listener of this.#onDelivered) listener(progress.delivered);
        if (progress.waiting === undefined) continue;
        for (const listener of this.#onWaiting) listener(progress.waiting);
      } else if (type === MESSAGE.backward) {
        await this.#onBackward(body);
      } else if (type === MESSAGE.place) {
        const place = readPlace(body);
        for (const listener of this.#onPlace) listener(place);
      } else {
        throw new RamferryError(
          'ERR_LINK_NEGOTIATION',
          `the receiver sent a message of type ${type}, which has no place in state ${this.state}`,
        );
      }
    }
  }

  #ended(result: Result): Result {
    if (result.ok && this.state !== 'end') {
      throw new RamferryError(
        'ERR_LINK_NEGOTIATION',
        'the receiver reports success before the whole stream was sent',
        { hint: 'do not use what the destination holds; is `ramferry receive` at the other end?' },
      );
    }
    this.#state = 'over';
    this.#received = result;
    return result;
  }

  async #message(): Promise<Message> {
    try {
      return await nextMessage(this.#reader);
    } catch (thrown) {
      const error = toRamferryError(thrown);
      if (error.code !== 'ERR_STREAM_TRUNCATED') throw error;
      throw new RamferryError('ERR_LINK_CLOSED', 'the receiver closed the link without saying how it ended', {
        cause: error,
        hint: 'the transfer counts as failed: look at the receiving side',
      });
    }
  }
}

/** Reads the receiver's magic and hello. @throws ERR_LINK_NEGOTIATION */
export async function readGreeting(
  reader: ExactReader,
  message: () => Promise<Message> = () => nextMessage(reader),
): Promise<Hello> {
  const magic = Buffer.alloc(CONTROL_MAGIC.length);
  try {
    await reader.exactly(magic);
  } catch (thrown) {
    const cause = toRamferryError(thrown);
    throw new RamferryError(
      'ERR_LINK_NEGOTIATION',
      `the receiver did not introduce itself: ${cause.message}`,
      {
        cause,
        hint: 'is `ramferry receive` at the other end? If another program is in between, use --one-way on both sides',
      },
    );
  }
  if (!magic.equals(CONTROL_MAGIC)) throw magic[0] === TLS_ALERT ? speaksTls() : notRamferry();
  const { type, body } = await message();
  if (type !== MESSAGE.hello) throw notRamferry();
  return readHello(body);
}

/**
 * @param begun the header, where it was read already
 * @throws ERR_STREAM_TRUNCATED, ERR_STREAM_LIMIT, ERR_STREAM_CHECKSUM, or what reading throws
 */
export async function nextMessage(reader: ExactReader, begun?: Buffer): Promise<Message> {
  const header = begun ?? Buffer.alloc(MESSAGE_HEADER_BYTES);
  if (begun === undefined) await reader.exactly(header);
  const whole = Buffer.concat([header, Buffer.alloc(messageRest(header))]);
  await reader.exactly(whole.subarray(MESSAGE_HEADER_BYTES));
  return readMessage(whole);
}

function speaksTls(): RamferryError {
  return new RamferryError('ERR_LINK_TLS', 'the receiver speaks TLS, and this side does not', {
    hint: 'give this side --tls-creds, too',
  });
}

function notRamferry(): RamferryError {
  return new RamferryError(
    'ERR_LINK_NEGOTIATION',
    'what answers at the other end is not `ramferry receive`',
    {
      hint: 'start `ramferry receive` there, or use --one-way if another program passes the stream on',
    },
  );
}
