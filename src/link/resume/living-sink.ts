// The sender's end of conversation version 3 (docs/FORMAT.md): the stream in parts, and signs of life while there is nothing to send. Copies no long
// write. Begins with the first byte of the stream, so that a sender whose hypervisor says nothing takes no receiver's place for its peer.

import { Buffer } from 'node:buffer';

import type { ByteSink } from '../../io/bytes.js';
import { withDeadline } from '../../os/time/deadline.js';
import { livingOpening } from './joining.js';
import { packet, PACKET } from './packet.js';

/** A link on which nothing was written for so long says that this side lives. */
const ALIVE_MS = 500;
/** Up to this length a write and what stands before it go to the kernel together. */
const JOINED_BYTES = 65_536;
/** Most time for the last packet. */
const LAST_WORD_MS = 500;
const NUMBERS_BYTES = 8;
/** Flag of a part: the final part of the stream may be among its bytes. */
export const FINAL = 1;

export interface LivingSinkOptions {
  /** The transfer's id. */
  readonly id: Buffer;
  /** Whether a byte of the stream's final part may be among what is written now. */
  readonly isFinal: () => boolean;
  /** Whether the receiver's result has come; `lost`: it can no longer come on this connection. */
  readonly result: () => 'awaited' | 'heard' | 'lost';
}

export class LivingSink implements ByteSink {
  readonly label: string;
  readonly #inner: ByteSink;
  readonly #options: LivingSinkOptions;
  /** Absent before the first byte and after the last packet. */
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #isOver = false;
  #aborting: Promise<void> | undefined;
  #finalLeft = false;
  #position = 0;
  #lastWrite = 0;
  #writing = false;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(inner: ByteSink, options: LivingSinkOptions) {
    this.label = inner.label;
    this.#inner = inner;
    this.#options = options;
    // A receiver that takes nothing is not dead: it says so on the way back, where silence counts.
    inner.patience?.(0);
  }

  /** Begins the conversation before there is a byte of the stream: for a receiver that knows its sender already. Never rejects. */
  async begin(): Promise<void> {
    await this.#inTurn(() => this.#inner.write(Buffer.concat(this.#beginning()))).catch(() => undefined);
  }

  /** The conversation has begun. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return Promise.resolve();
    return this.#inTurn(async () => {
      const before = [...this.#beginning(), this.#header(bytes.length)];
      this.#position += bytes.length;
      if (bytes.length <= JOINED_BYTES) await this.#inner.write(Buffer.concat([...before, bytes]));
      else {
        await this.#inner.write(Buffer.concat(before));
        await this.#inner.write(bytes);
      }
    });
  }

  queued(): number {
    return this.#inner.queued();
  }

  /** Ends the stream. This direction stays open for the last packet. */
  finish(): Promise<void> {
    return this.#inTurn(() =>
      this.#inner.write(Buffer.concat([...this.#beginning(), packet(PACKET.end, this.#position)])),
    );
  }

  /** Says no more that this side lives: it asks for the outcome on another connection. */
  leave(): void {
    clearInterval(this.#timer);
  }

  /** Says how the conversation ends and closes this direction. Never rejects. */
  async conclude(): Promise<void> {
    const said = this.#sayLast();
    await withDeadline(said, LAST_WORD_MS, () => undefined);
    await this.#inner.finish().catch(() => undefined);
  }

  /** Says how the conversation ends, where that is possible at once, and closes the link. */
  abort(): Promise<void> {
    this.#aborting ??= withDeadline(this.#sayLast(), LAST_WORD_MS, () => undefined).then(() =>
      this.#inner.abort(),
    );
    return this.#aborting;
  }

  async #sayLast(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    if (!this.#isOpen) return;
    const result = this.#options.result();
    // A sender that asks for the result on another connection has not given up.
    if (result === 'lost' && this.#finalLeft) return;
    const last = result === 'heard' ? PACKET.heard : PACKET.abort;
    await this.#inTurn(() => this.#inner.write(packet(last, 0))).catch(() => undefined);
  }

  /** What stands before the first part. */
  #beginning(): Buffer[] {
    if (this.#isOpen) return [];
    this.#isOpen = true;
    if (!this.#isOver) this.#timer = setInterval(() => this.#look(), ALIVE_MS / 2);
    return [livingOpening(this.#options.id)];
  }

  #header(length: number): Buffer {
    this.#finalLeft ||= this.#options.isFinal();
    const numbers = Buffer.alloc(NUMBERS_BYTES);
    numbers.writeUInt32LE(length, 0);
    numbers.writeUInt32LE(this.#finalLeft ? FINAL : 0, 4);
    return packet(PACKET.stream, this.#position, numbers);
  }

  #look(): void {
    if (this.#writing || performance.now() - this.#lastWrite < ALIVE_MS) return;
    this.#inTurn(() => this.#inner.write(packet(PACKET.alive, 0))).catch(() => undefined);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#writes.then(() => {
      this.#writing = true;
      this.#lastWrite = performance.now();
      return act();
    });
    this.#writes = mine
      .catch(() => undefined)
      .then(() => {
        this.#writing = false;
      });
    return mine;
  }
}
