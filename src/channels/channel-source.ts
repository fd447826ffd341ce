// The source of one of several connections of a hypervisor. Remembers the last bytes, which tell a postcopy that has ended from one that broke. From the
// switch to postcopy on, a connection that its writer resets has ended: QEMU closes it so, and goes on with another one.

import { RamferryError } from '../errors.js';
import type { Grammar } from '../grammar/grammar.js';
import { isPostcopyEnd, POSTCOPY_END_BYTES } from '../grammar/qemu/postcopy-end.js';
import type { ByteSource } from '../io/bytes.js';

export class ChannelSource implements ByteSource {
  readonly label: string;
  /** A further connection may end without a byte: QEMU has not needed it. */
  readonly tellsEnd: boolean;
  readonly #source: ByteSource;
  #grammar: Grammar | undefined;
  #last = new Uint8Array(0);
  #hasEnded = false;

  constructor(source: ByteSource, isFurther: boolean) {
    this.label = source.label;
    this.#source = source;
    this.tellsEnd = isFurther;
  }

  /** Sets the grammar that walks the bytes. */
  follow(grammar: Grammar): void {
    this.#grammar = grammar;
  }

  /** The stream has ended in postcopy, and not with the bytes with which QEMU ends one. False for a channel of single pages. */
  get hasBrokenPostcopy(): boolean {
    const grammar = this.#grammar;
    if (grammar?.mayGoOn !== true || !this.#hasEnded) return false;
    return grammar.end().state === 'unseen' && !isPostcopyEnd(this.#last);
  }

  async read(target: Uint8Array): Promise<number> {
    const got = await this.#source.read(target).catch((thrown: unknown) => this.#endOf(thrown));
    this.#hasEnded ||= got === 0;
    this.#remember(target.subarray(Math.max(0, got - POSTCOPY_END_BYTES), got));
    return got;
  }

  patience(milliseconds: number): void {
    this.#source.patience?.(milliseconds);
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  /** An ERR_LINK_CLOSED without a cause means that this process closed the connection. */
  #endOf(thrown: unknown): number {
    const isReset =
      thrown instanceof RamferryError && thrown.code === 'ERR_LINK_CLOSED' && thrown.cause !== undefined;
    if (isReset && this.#grammar?.mayGoOn === true) return 0;
    throw thrown;
  }

  #remember(read: Uint8Array): void {
    const kept = this.#last.subarray(Math.max(0, this.#last.length + read.length - POSTCOPY_END_BYTES));
    const last = new Uint8Array(kept.length + read.length);
    last.set(kept);
    last.set(read, kept.length);
    this.#last = last;
  }
}
