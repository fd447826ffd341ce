// The receiving side of an uncompressed stream, which passes unchanged: a migration stream, or any bytes with --pass-through.
// The inlet does not verify the contents. It reports a QEMU stream that is truncated.

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import type { Grammar, SegmentSink, StreamEnd } from '../grammar/grammar.js';
import { TASK } from '../slot/job.js';
import type { Arrivals, ChunkPages, Inlet, InletInput, InletOutcome } from './inlet.js';
import { MIB } from '../units.js';

const BUFFER_BYTES = MIB;

/** A sink that discards what the grammar reports: the inlet uses only the grammar's end of stream. */
const IGNORED: SegmentSink = {
  full: false,
  skeleton: () => undefined,
  words: () => undefined,
  pages: () => undefined,
  pageData: () => undefined,
  flush: () => undefined,
  totals: () => undefined,
};

export class PlainInlet implements Inlet {
  readonly task = TASK.decode;
  readonly prefix = 0;
  readonly #input: Pick<InletInput, 'source' | 'head'>;
  readonly #grammar: Grammar | undefined;
  /** Bytes that the grammar has not consumed. */
  #unparsed = Buffer.alloc(0);
  #bytes = 0;
  #end: StreamEnd | undefined;

  /** @param grammar walks the stream to find its end; absent = the inlet accepts any bytes */
  constructor(input: Pick<InletInput, 'source' | 'head'>, grammar?: Grammar) {
    this.#input = input;
    this.#grammar = grammar;
  }

  async read(arrivals: Arrivals): Promise<void> {
    const { source, head } = this.#input;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    source.patience?.(0);
    for (let piece = Buffer.from(head); ;) {
      if (piece.length > 0) await arrivals.pass(piece);
      this.#walk(piece, false);
      arrivals.taken(piece.length);
      const got = await source.read(buffer);
      if (got === 0) break;
      piece = buffer.subarray(0, got);
    }
    this.#checkEnd();
  }

  deliver(): ChunkPages {
    throw new RamferryError('ERR_INTERNAL', 'a plain stream has no chunks');
  }

  passed(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
  }

  verify(): void {
    // An uncompressed stream has no totals.
  }

  outcome(): InletOutcome {
    return { bytes: this.#bytes, verified: false, streamEnd: this.#end };
  }

  #walk(piece: Buffer, atEnd: boolean): void {
    const grammar = this.#grammar;
    if (grammar === undefined) return;
    const data = this.#unparsed.length === 0 ? piece : Buffer.concat([this.#unparsed, piece]);
    let at = 0;
    for (let taken = 1; taken > 0 && at < data.length; at += taken) {
      taken = grammar.scan(data.subarray(at), atEnd, IGNORED);
    }
    this.#unparsed = Buffer.from(data.subarray(at));
  }

  /** @throws ERR_STREAM_TRUNCATED */
  #checkEnd(): void {
    this.#walk(Buffer.alloc(0), true);
    this.#end = this.#grammar?.end();
    if (this.#end?.state !== 'incomplete') return;
    throw new RamferryError('ERR_STREAM_TRUNCATED', `the stream is not complete: ${this.#end.because}`, {
      offset: this.#bytes,
      hint: 'its writer failed, was cancelled, or died; --pass-through hands on what came',
    });
  }
}
