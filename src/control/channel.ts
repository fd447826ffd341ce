// Both ends of the way back: the receiver's voice and the sender's ear (docs/FORMAT.md, "The way back").
// The voice writes messages one after the other; the ear reads them as they come and keeps what was said.

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

/** A receiver that has nothing new to tell still shows that it lives. */
const ALIVE_INTERVAL_MS = 500;
/** How often it looks whether more was delivered: the sender's window follows this word (delivery-window.ts). */
export const PROGRESS_INTERVAL_MS = 10;

/** What the receiver says first, as soon as there is a connection. */
export function greetingOf(hello: Hello): Buffer {
  return Buffer.concat([CONTROL_MAGIC, helloMessage(hello)]);
}

/** The receiver's side. Writes never overlap; a failed write is remembered, not thrown: the stream itself decides. */
export class ControlWriter {
  readonly #sink: ByteSink;
  #last: Promise<unknown> = Promise.resolve();
  /** The result is on its way: nothing may follow it. */
  #over = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param sink of a connection that has been greeted: see {@link greetingOf} */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Says soon after every delivery how much has been delivered, and every half second in any case. */
  reportProgress(progress: () => Progress): void {
    let told = 0;
    let quiet = 0;
    let writing = false;
    this.#timer = setInterval(() => {
      quiet += PROGRESS_INTERVAL_MS;
      const now = progress();
      // What the link does not take now is overtaken by the next word.
      if (writing || (now.delivered === told && quiet < ALIVE_INTERVAL_MS)) return;
      writing = true;
      told = now.delivered;
      quiet = 0;
      this.#last = this.#write(writeMessage(MESSAGE.progress, progressBody(now)), this.#last, 'now');
      void this.#last.then(() => (writing = false));
    }, PROGRESS_INTERVAL_MS);
  }

  /** Relays bytes from the program behind us; resolves when they are written. */
  async backward(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_MESSAGE_BYTES) {
      const piece = bytes.subarray(at, at + MAX_MESSAGE_BYTES);
      this.#last = this.#write(writeMessage(MESSAGE.backward, piece), this.#last);
    }
    await this.#last;
  }

  /** The program behind us says no more. A hypervisor that waits for its answer at the other end must see that. */
  backwardEnd(): void {
    if (this.#over) return;
    this.#last = this.#write(writeMessage(MESSAGE.backward, new Uint8Array(0)), this.#last);
  }

  /**
   * Writes the result, the last message. Never rejects.
   * @returns whether the kernel has taken it; then the sender hears it unless the link breaks
   */
  async result(result: Result): Promise<boolean> {
    clearInterval(this.#timer);
    this.#over = true;
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

/** The sender's side. */
export class ControlReader {
  readonly #reader: ExactReader;
  readonly #onBackward: (bytes: Buffer) => Promise<void>;
  readonly #hello: Promise<Hello>;
  readonly #result: Promise<Result>;
  readonly #onDelivered: ((bytes: number) => void)[] = [];
  readonly #onWaiting: ((waiting: Waiting) => void)[] = [];
  #successIsPossible: () => boolean = () => false;
  #delivered = 0;
  #said: Result | undefined;

  constructor(source: ByteSource, onBackward: (bytes: Buffer) => Promise<void>) {
    this.#reader = new ExactReader(source);
    this.#onBackward = onBackward;
    this.#hello = readGreeting(this.#reader, () => this.#message());
    this.#result = this.#hello.then(() => this.#listen());
    // Whoever asks gets the rejection; nobody has to.
    this.#hello.catch(() => undefined);
    this.#result.catch(() => undefined);
  }

  /** Decoded bytes that the receiver has acknowledged so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /** The result message; undefined before it has come. */
  get result(): Result | undefined {
    return this.#said;
  }

  /** Calls `listener` with each acknowledgement: all decoded bytes that the receiver has delivered. */
  onDelivered(listener: (bytes: number) => void): void {
    this.#onDelivered.push(listener);
  }

  /** Calls `listener` with how long the receiver has waited for the link, as often as the receiver says so. */
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
   * Resolves when the receiver has said that it delivered everything; its sums are for the caller to compare.
   * @throws ERR_PEER_FAILED with the receiver's reason, ERR_LINK_CLOSED when it went silently, ERR_LINK_NEGOTIATION for a
   *   message that has no place in this state
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
          `the receiver sent a message that has no place here (type ${type})`,
        );
      }
    }
  }

  #ended(result: Result): Result {
    if (result.ok && !this.#successIsPossible()) {
      throw new RamferryError(
        'ERR_LINK_NEGOTIATION',
        'the receiver reports success before the whole stream was sent',
        { hint: 'do not use what the destination holds; is `ramferry receive` at the other end?' },
      );
    }
    this.#said = result;
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

/** The receiver's first words: magic and hello. @throws ERR_LINK_NEGOTIATION */
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
