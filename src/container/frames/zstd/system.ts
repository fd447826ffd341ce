// The system's libzstd as a streaming decoder, with the interface of zstd-napi.
// A context grows with the window of its frame, so it lies in the library's own memory: close() gives that back.

import { zstdLibrary, type ZstdLibrary } from '../../../codec/zstd-library.js';
import type { DecompressionContext, StreamingZstd } from './binding.js';

/** ZSTD_d_windowLogMax of zstd.h. */
const WINDOW_LOG_MAX = 100;

/** Contexts whose owner is gone without close(). */
const forgotten = new FinalizationRegistry(({ library, context }: Owned) => {
  library.functions.ZSTD_freeDCtx(context);
});

interface Owned {
  readonly library: ZstdLibrary;
  readonly context: bigint | null;
}

class SystemContext implements DecompressionContext {
  readonly #library: ZstdLibrary;
  readonly #produced = new BigUint64Array(1);
  readonly #consumed = new BigUint64Array(1);
  #context: bigint | null;

  constructor(library: ZstdLibrary) {
    this.#library = library;
    this.#context = library.functions.ZSTD_createDCtx();
    if (this.#context === null) throw new Error('not enough memory');
    forgotten.register(this, { library, context: this.#context }, this);
  }

  decompress(dst: Uint8Array, src: Uint8Array): number {
    const { functions, result } = this.#library;
    return result(functions.ZSTD_decompressDCtx(this.#open(), dst, dst.length, src, src.length));
  }

  decompressStream(dst: Uint8Array, src: Uint8Array): [number, number, number] {
    const [produced, consumed] = [this.#produced, this.#consumed];
    produced[0] = consumed[0] = 0n;
    const { functions, result } = this.#library;
    const context = this.#open();
    const pending = result(
      functions.ZSTD_decompressStream_simpleArgs(
        context,
        dst,
        dst.length,
        produced,
        src,
        src.length,
        consumed,
      ),
    );
    return [pending, Number(produced[0]), Number(consumed[0])];
  }

  setParameter(parameter: number, value: number): void {
    const { functions, result } = this.#library;
    result(functions.ZSTD_DCtx_setParameter(this.#open(), parameter, value));
  }

  close(): void {
    if (this.#context === null) return;
    forgotten.unregister(this);
    this.#library.functions.ZSTD_freeDCtx(this.#context);
    this.#context = null;
  }

  #open(): bigint {
    if (this.#context === null) throw new Error('the decoder is closed');
    return this.#context;
  }
}

/** @throws Error the library cannot be used here */
export function systemZstd(): StreamingZstd {
  const library = zstdLibrary();
  return {
    open: () => new SystemContext(library),
    windowLogMax: WINDOW_LOG_MAX,
  };
}
