// A codec that records the input and the cost of its last use. Codes exactly as the codec inside it.

import type { Codec, CodecName } from './codec.js';

export class WatchedCodec implements Codec {
  readonly name: CodecName;
  readonly binding: string;
  readonly #codec: Codec;
  readonly #clock: () => number;
  /** The last input: the caller's memory, valid until the caller uses it again. */
  source: Uint8Array | undefined;
  /** Microseconds of that use, by the given clock; wall time where the codec works in other threads. */
  took = 0;

  /** @param clock microseconds of this thread's processor time */
  constructor(codec: Codec, clock: () => number) {
    this.#codec = codec;
    this.#clock = clock;
    this.name = codec.name;
    this.binding = codec.binding;
  }

  compress(dst: Uint8Array, src: Uint8Array, level: number): number | Promise<number> {
    const begun = performance.now();
    const started = this.#clock();
    this.source = src;
    const length = this.#codec.compress(dst, src, level);
    if (typeof length === 'number') {
      this.took = this.#clock() - started;
      return length;
    }
    return length.then((result) => {
      this.took = (performance.now() - begun) * 1e3;
      return result;
    });
  }

  decompress(dst: Uint8Array, src: Uint8Array): void | Promise<void> {
    return this.#codec.decompress(dst, src);
  }

  close(): void {
    this.#codec.close();
  }
}
