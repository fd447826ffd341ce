// `ControlWriter`: the receiver's end of the control messages (docs/FORMAT.md, "The way back"). Writes them one after the other.

import { Buffer } from 'node:buffer';

import type { ByteSink } from '../io/bytes.js';
import { CONTROL_MAGIC, MAX_MESSAGE_BYTES, MESSAGE, writeMessage } from './messages.js';
import {
  type Hello,
  helloMessage,
  type Place,
  placeMessage,
  type Result,
  resultMessage,
} from './negotiation.js';
import { type Progress, progressBody } from './progress.js';

/** A receiver without progress sends a keep-alive this often. */
export const KEEP_ALIVE_MS = 500;
/** How often a receiver looks for progress to acknowledge: the sender's delivery window follows (delivery-window.ts). */
export const PROGRESS_INTERVAL_MS = 10;

/** The first bytes of a receiver on a new connection: magic and hello. */
export function greetingOf(hello: Hello): Buffer {
  return Buffer.concat([CONTROL_MAGIC, helloMessage(hello)]);
}

/** The receiver's side. Writes never overlap. A failed write is not thrown: the stream decides how the transfer ends. */
export class ControlWriter {
  #sink: ByteSink;
  #last: Promise<unknown> = Promise.resolve();
  /** The result was written: no message may follow it. */
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param sink of a connection that has been greeted: see {@link greetingOf} */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Goes on with another sink of the same link, behind what was written, and reports no progress until it is asked to again. */
  async moveTo(sink: ByteSink): Promise<void> {
    clearInterval(this.#timer);
    await this.#last;
    this.#sink = sink;
  }

  /** Tells a sender that has introduced itself its place in line. */
  place(place: Place): void {
    if (this.#ended) return;
    this.#last = this.#write(placeMessage(place), this.#last);
  }

  /**
   * Acknowledges soon after every delivery, and sends a keep-alive every half second.
   * @param interval milliseconds between two looks; a second call replaces the first
   */
  reportProgress(progress: () => Progress, interval = PROGRESS_INTERVAL_MS): void {
    clearInterval(this.#timer);
    let acknowledged = 0;
    let quietMs = 0;
    let writing = false;
    this.#timer = setInterval(() => {
      quietMs += interval;
      const now = progress();
      // A message that the link does not take now is replaced by the next one.
      if (writing || (now.delivered === acknowledged && quietMs < KEEP_ALIVE_MS)) return;
      writing = true;
      acknowledged = now.delivered;
      quietMs = 0;
      this.#last = this.#write(writeMessage(MESSAGE.progress, progressBody(now)), this.#last, 'now');
      void this.#last.then(() => (writing = false));
    }, interval);
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
   * @returns whether the kernel has taken it, then the sender gets it unless the link breaks; or, where the sink tells, whether the sender has it
   */
  async result(result: Result): Promise<boolean> {
    clearInterval(this.#timer);
    this.#ended = true;
    const written = await this.#write(resultMessage(result), this.#last);
    const finished = await this.#sink.finish().then(
      () => true,
      () => false,
    );
    return written && (finished || this.#sink.tellsHeard !== true);
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
