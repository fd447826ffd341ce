// An output whose reader may close it before the last bytes. QEMU's destination shuts its multifd channels as soon as it has loaded the main
// stream, and its source may have written an empty packet behind the last SYNC that is never read. The caller judges such a close.

import { RamferryError, toRamferryError } from '../../errors.js';
import type { ByteSink } from '../../io/bytes.js';
import { ForwardingSink } from '../../io/forwarding-sink.js';
import { outputSink } from './output.js';

export interface Leaving {
  /** Whether an output that begins with these bytes may be closed by its reader before its end. */
  readonly mayLeave: (first: Uint8Array) => boolean;
  /** Called when the reader has left. @returns what the transfer fails of; undefined = the reader had what it needed */
  readonly judge: (error: RamferryError) => Promise<RamferryError | undefined>;
}

/** An output that a program reads. */
export interface ReaderOutput {
  readonly sink: ByteSink;
  /** The reader has closed its end. @returns what the transfer fails of; undefined = nothing */
  readonly left: (error: RamferryError) => Promise<RamferryError | undefined>;
}

/** @param leaving absent = a reader that closes its end early ends the transfer */
export function readerOutput(inner: ByteSink, leaving: Leaving | undefined): ReaderOutput {
  const output = outputSink(inner);
  if (leaving === undefined) return { sink: output, left: (error) => Promise.resolve(error) };
  const sink = new LeavableSink(output, leaving);
  return { sink, left: (error) => sink.left(error) };
}

class LeavableSink extends ForwardingSink {
  readonly #leaving: Leaving;
  /** Undefined before the first byte. */
  #mayLeave: boolean | undefined;
  #verdict: Promise<RamferryError | undefined> | undefined;
  readonly writeAll?: (pieces: readonly Uint8Array[]) => Promise<void>;

  /** @param inner its errors are those of an output */
  constructor(inner: ByteSink, leaving: Leaving) {
    super(inner);
    this.#leaving = leaving;
    if (inner.writeAll === undefined) return;
    this.writeAll = (pieces) => {
      this.#look(pieces[0]);
      return this.#unlessLeft(() => inner.writeAll!(pieces));
    };
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#look(bytes);
    return this.#unlessLeft(() => this.inner.write(bytes));
  }

  taken(): Promise<void> {
    return this.#unlessLeft(async () => this.inner.taken?.());
  }

  override finish(totalLength?: number): Promise<void> {
    return this.#unlessLeft(() => this.inner.finish(totalLength));
  }

  /** The reader has closed its end. @returns what the transfer fails of; undefined = nothing */
  async left(error: RamferryError): Promise<RamferryError | undefined> {
    if (this.#mayLeave !== true || error.code !== 'ERR_OUTPUT_WRITE') return error;
    this.#verdict ??= this.#leaving.judge(error);
    return this.#verdict;
  }

  #look(first: Uint8Array | undefined): void {
    if (first !== undefined && first.length > 0) this.#mayLeave ??= this.#leaving.mayLeave(first);
  }

  async #unlessLeft(act: () => Promise<void>): Promise<void> {
    let error: RamferryError | undefined;
    if (this.#verdict === undefined) {
      try {
        return await act();
      } catch (thrown) {
        error = await this.left(toRamferryError(thrown));
      }
    } else error = await this.#verdict;
    if (error !== undefined) throw error;
  }
}
