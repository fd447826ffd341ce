// Drives a decompressing transform of node:zlib by hand: bytes in, decoded bytes out, with back-pressure, and with
// the exact number of bytes that it used, so that the decoder of the frames knows where one ended.

import type { Transform } from 'node:stream';

import { RamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import type { Emit } from './cursor.js';

/** What node:zlib's classes have in common; `bytesWritten` counts the input that the engine has used. */
export type ZlibTransform = Transform & { readonly bytesWritten: number };

export class TransformPump {
  readonly #stream: ZlibTransform;
  #ended = false;
  #failure: Error | undefined;
  readonly #change = new Signal();

  constructor(stream: ZlibTransform) {
    this.#stream = stream;
    stream.on('readable', () => this.#change.notify());
    stream.on('end', () => {
      this.#ended = true;
      this.#change.notify();
    });
    stream.on('error', (error) => {
      this.#failure = error;
      this.#change.notify();
    });
    stream.on('close', () => {
      // Destroyed under a pending push: it must not wait without end.
      if (!this.#ended) this.#failure ??= new RamferryError('ERR_LINK_CLOSED', 'the decoder was closed');
      this.#change.notify();
    });
  }

  /** The compressed data has ended. It is noticed with the first byte behind it, not before. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Decodes input and emits the result.
   * @returns how many bytes of input were used: all, or fewer when the compressed data has ended.
   * Throws the engine's own error.
   */
  async push(input: Uint8Array, emit: Emit): Promise<number> {
    const before = this.#stream.bytesWritten;
    let written = false;
    this.#stream.write(input, () => {
      written = true;
      this.#change.notify();
    });
    await this.#drain(emit, () => written);
    return this.#stream.bytesWritten - before;
  }

  /** Tells the engine that the input is over, and emits what it still held. */
  async finish(emit: Emit): Promise<void> {
    this.#stream.end();
    await this.#drain(emit, () => false);
  }

  close(): void {
    this.#stream.destroy();
  }

  /** Emits until `done`, the end or an error. */
  async #drain(emit: Emit, done: () => boolean): Promise<void> {
    while (true) {
      // Before the read: a change that comes during `emit` counts.
      const change = this.#change.wait();
      for (let chunk = this.#read(); chunk !== null; chunk = this.#read()) await emit(chunk);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      if (done() && this.#stream.readableLength === 0) return;
      await change;
    }
  }

  #read(): Uint8Array | null {
    return this.#stream.read() as Uint8Array | null;
  }
}
