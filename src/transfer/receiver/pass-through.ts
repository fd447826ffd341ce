// Hands a stream on as it comes: an uncompressed migration stream (which `receive` must always accept), or anything at
// all when the user says so. Nothing can be verified: the outcome says so. A QEMU stream that broke off is an error all the same.

import { Buffer } from 'node:buffer';

import { RamferryError, toRamferryError } from '../../errors.js';
import type { Grammar, SegmentSink } from '../../grammar/grammar.js';
import { hangUp, type Outcome, type ReceiverSettings, type Receiving } from './receiving.js';

const BUFFER_BYTES = 1024 * 1024;

/** Only where the stream ends is asked for. */
const NOWHERE: SegmentSink = {
  full: false,
  skeleton: () => undefined,
  words: () => undefined,
  pages: () => undefined,
  pageData: () => undefined,
  flush: () => undefined,
  totals: () => undefined,
};

export class PassThrough implements Receiving {
  readonly #settings: ReceiverSettings;
  readonly #grammar: Grammar | undefined;
  /** Bytes that the grammar has not consumed. */
  #kept = Buffer.alloc(0);
  #failure: RamferryError | undefined;

  /** @param grammar follows the stream to its end; absent = whatever comes is handed on */
  constructor(settings: ReceiverSettings, grammar?: Grammar) {
    this.#settings = settings;
    this.#grammar = grammar;
  }

  abort(error: RamferryError): void {
    this.#failure ??= error;
    hangUp(this.#settings);
  }

  async run(): Promise<Outcome> {
    const { source, sink, head, statistics } = this.#settings;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    let bytes = 0;
    try {
      source.patience?.(0);
      for (let piece: Uint8Array = head; ;) {
        if (piece.length > 0) await sink.write(piece);
        this.#follow(piece, false);
        bytes += piece.length;
        statistics.addGuestBytes(piece.length);
        statistics.addLinkBytes(piece.length);
        const got = await source.read(buffer);
        if (got === 0) break;
        piece = buffer.subarray(0, got);
      }
    } catch (thrown) {
      throw this.#failure ?? toRamferryError(thrown);
    }
    this.#checkEnd(bytes);
    return { bytes, verified: false };
  }

  #follow(piece: Uint8Array, atEnd: boolean): void {
    const grammar = this.#grammar;
    if (grammar === undefined) return;
    const data = this.#kept.length === 0 ? piece : Buffer.concat([this.#kept, piece]);
    let at = 0;
    for (let taken = 1; taken > 0 && at < data.length; at += taken) {
      taken = grammar.scan(data.subarray(at), atEnd, NOWHERE);
    }
    this.#kept = Buffer.from(data.subarray(at));
  }

  /** @throws ERR_STREAM_TRUNCATED */
  #checkEnd(offset: number): void {
    this.#follow(new Uint8Array(0), true);
    const end = this.#grammar?.end();
    if (end !== undefined) this.#settings.statistics.recordStreamEnd(end);
    if (end?.state !== 'incomplete') return;
    throw new RamferryError('ERR_STREAM_TRUNCATED', `the stream is not complete: ${end.because}`, {
      offset,
      hint: 'its writer failed, was cancelled, or died; --pass-through hands on what came',
    });
  }
}
