// Both ends of the control messages (docs/FORMAT.md, "The way back"): `ControlWriter` at the receiver writes them one after the other;
// `ControlReader` at the sender reads them as they come and keeps the last acknowledgement and the result.

import { Buffer } from 'node:buffer';

import {
  CONTROL_MAGIC,
  MAX_MESSAGE_BYTES,
  type Message,
  MESSAGE,
  MESSAGE_HEADER_BYTES,
  messageRest,
  readMessage,
  writeMessage,
} from './messages.js';
import {
  type Hello,
  helloMessage,
  peerFailure,
  readHello,
  readResult,
  type Result,
  resultMessage,
} from './negotiation.js';
import { type Progress, progressBody, readProgress } from './progress.js';
import type { StatedSums } from '../container/sums.js';
import { RamferryError, toRamferryError } from '../errors.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import { ExactReader } from '../io/exact-reader.js';
import type { Waiting } from '../io/waiting-source.js';

/** A receiver without progress sends a keep-alive this often. */
const KEEP_ALIVE_MS = 500;
/** How often a receiver looks for progress to acknowledge: the sender's delivery window follows (delivery-window.ts). */
export const PROGRESS_INTERVAL_MS = 10;

/** The first bytes of a receiver on a new connection: magic and hello. */
export function greetingOf(hello: Hello): Buffer {
  return Buffer.concat([CONTROL_MAGIC, helloMessage(hello)]);
}

/** The receiver's side. Writes never overlap. A failed write is not thrown: the stream decides how the transfer ends. */
export class ControlWriter {
  readonly #sink: ByteSink;
  #last: Promise<unknown> = Promise.resolve();
  /** The result was written: no message may follow it. */
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param sink of a connection that has been greeted: see {@link greetingOf} */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Acknowledges soon after every delivery, and sends a keep-alive every half second. */
  reportProgress(progress: () => Progress): void {
    let acknowledged = 0;
    let quietMs = 0;
    let writing = false;
    this.#timer = setInterval(() => {
      quietMs += PROGRESS_INTERVAL_MS;
      const now = progress();
      // A message that the link does not take now is replaced by the next one.
      if (writing || (now.delivered === acknowledged && quietMs < KEEP_ALIVE_MS)) return;
      writing = true;
      acknowledged = now.delivered;
      quietMs = 0;
      this.#last = this.#write(writeMessage(MESSAGE.progress, progressBody(now)), this.#last, 'now');
      void this.#last.then(() => (writing = false));
    }, PROGRESS_INTERVAL_MS);
  }

  /** Relays bytes from the program behind the receiver. Resolves when they are written. */
  async backward(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_MESSAGE_BYTES) {
      const piece = bytes.subarray(at, at + MAX_MESSAGE_BYTES);
      this.#last = this.#write(writeMessage(MESSAGE.backward, piece), this.#last);
    }
    await this.#last;
  }

  /** Relays the end of what the program behind the receiver writes: a hypervisor at the sender may wait for an answer. */
  backwardEnd(): void {
    if (this.#ended) return;
    this.#last = this.#write(writeMessage(MESSAGE.backward, new Uint8Array(0)), this.#last);
  }

  /**
   * Writes the result, the last message. Never rejects.
   * @returns whether the kernel has taken it; then the sender gets it unless the link breaks
   */
  async result(result: Result): Promise<boolean> {
    clearInterval(this.#timer);
    this.#ended = true;
    const written = await this.#write(resultMessage(result), this.#last);
    await this.#sink.finish().catch(() => undefined);
    return written;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** @param when 'now': the bytes mean nothing to a peer that connects later */
  async #write(bytes: Uint8Array, after: Promise<unknown>, when?: 'now'): Promise<boolean> {
    await after;
    const sink = this.#sink;
    const writing = when === 'now' && sink.writeNow !== undefined ? sink.writeNow(bytes) : sink.write(bytes);
    return writing.then(
      () => true,
      () => false,
    );
  }
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
  #state: 'greeting' | 'hello' | 'stream' | 'over' = 'greeting';
  #successIsPossible: () => boolean = () => false;
  #delivered = 0;
  #received: Result | undefined;

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
    this.#result.catch(() => undefined);
  }

  get state(): ConversationState {
    return this.#state === 'stream' && this.#successIsPossible() ? 'end' : this.#state;
  }

  /** Decoded bytes that the receiver has acknowledged so far. */
  get delivered(): number {
    return this.#delivered;
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
  if (!magic.equals(CONTROL_MAGIC)) throw notRamferry();
  const { type, body } = await message();
  if (type !== MESSAGE.hello) throw notRamferry();
  return readHello(body);
}

/** @throws ERR_STREAM_TRUNCATED, ERR_STREAM_LIMIT, ERR_STREAM_CHECKSUM, or what reading throws */
export async function nextMessage(reader: ExactReader): Promise<Message> {
  const header = Buffer.alloc(MESSAGE_HEADER_BYTES);
  await reader.exactly(header);
  const whole = Buffer.concat([header, Buffer.alloc(messageRest(header))]);
  await reader.exactly(whole.subarray(MESSAGE_HEADER_BYTES));
  return readMessage(whole);
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
