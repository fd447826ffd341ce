// Drives a decompressing transform of node:zlib with back-pressure. Reports the exact number of input bytes that the transform
// consumed, so that the caller knows where the compressed data ended.

import type { Transform } from 'node:stream';

import { RamferryError } from '../../errors.js';
import { Signal } from '../../os/signal.js';
import type { Emit } from './cursor.js';

/** The common interface of node:zlib's classes. `bytesWritten` counts the input bytes that the engine has consumed. */
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
      // A pending push must reject when the stream is destroyed.
      if (!this.#ended) this.#failure ??= new RamferryError('ERR_LINK_CLOSED', 'the decoder was closed');
      this.#change.notify();
    });
  }

  /** The compressed data has ended. node:zlib reports that only with the first byte after it. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Decodes `input` and emits the result.
   * @returns the bytes of `input` that were consumed: all, or fewer when the compressed data has ended
   * @throws the engine's own error
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

  /** Ends the engine's input and emits the remaining decoded bytes. */
  async finish(emit: Emit): Promise<void> {
    this.#stream.end();
    await this.#drain(emit, () => false);
  }

  close(): void {
    this.#stream.destroy();
  }

  /** Emits decoded bytes until `done`, the end or an error. */
  async #drain(emit: Emit, done: () => boolean): Promise<void> {
    while (true) {
      // The wait begins before the read, so that a change during `emit` is not missed.
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
