// The far end of a save: reads the bytes of the link at the speed that a test sets.

import type { ByteSink, ByteSource } from '../../src/io/bytes.js';

export class Collector {
  readonly #source: ByteSource;
  readonly #parts: Buffer[] = [];
  readonly #piece: number;
  readonly ended: Promise<void>;
  length = 0;
  #paused: Promise<void> | undefined;
  #resume: () => void = () => undefined;
  #wake: () => void = () => undefined;

  /** @param before awaited before each read */
  constructor(
    source: ByteSource,
    { piece = 64 * 1024, before }: { piece?: number; before?: () => Promise<void> | undefined } = {},
  ) {
    this.#source = source;
    this.#piece = piece;
    this.ended = this.#run(before);
  }

  async #run(before: (() => Promise<void> | undefined) | undefined): Promise<void> {
    const target = Buffer.alloc(this.#piece);
    for (;;) {
      await this.#paused;
      await before?.();
      const got = await this.#source.read(target).catch(() => 0);
      if (got === 0) break;
      this.#parts.push(Buffer.from(target.subarray(0, got)));
      this.length += got;
      this.#wake();
    }
  }

  pause(): void {
    this.#paused = new Promise((resolve) => (this.#resume = resolve));
  }

  resume(): void {
    this.#resume();
    this.#paused = undefined;
  }

  /** Resolves when `length` bytes have arrived. */
  async has(length: number): Promise<void> {
    while (this.length < length) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  async close(): Promise<void> {
    this.resume();
    await this.#source.close();
    await this.ended;
  }
}

/** Writes all bytes in pieces; stops without an error when the reader has closed. */
export async function feed(sink: ByteSink, bytes: Uint8Array, piece = 64 * 1024): Promise<void> {
  for (let at = 0; at < bytes.length; at += piece) {
    try {
      await sink.write(bytes.subarray(at, at + piece));
    } catch {
      return;
    }
  }
}
