// `Follower`: walks a decoded stream with the grammar that a sender would use, and counts what the grammar recognises.
// Takes the bytes in any split; keeps only the few that the grammar holds back.

import { Buffer } from 'node:buffer';

import { grammarFor, type StreamKind } from '../../grammar/detect.js';
import type { Grammar, SegmentSink } from '../../grammar/grammar.js';
import { PlainSink } from '../../io/plain-sink.js';
import { type PageTally, tallyPages } from '../statistics/counts.js';
import type { Recognised } from './report.js';

export class Follower {
  bytes = 0;
  readonly #grammar: Grammar;
  #unparsed = Buffer.alloc(0);
  readonly #pages: PageTally = { identified: 0, anonymous: 0 };
  #skeletonBytes = 0;
  readonly #sink: SegmentSink = {
    full: false,
    skeleton: (n) => void (this.#skeletonBytes += n),
    words: (n) => void (this.#skeletonBytes += 8 * n),
    pages: (n, identity) => tallyPages(this.#pages, n, identity),
    pageData: () => undefined,
    flush: () => undefined,
    totals: () => undefined,
  };

  constructor(kind: StreamKind) {
    this.#grammar = grammarFor(kind);
  }

  take(piece: Uint8Array): void {
    this.bytes += piece.length;
    this.#walk(piece, false);
  }

  /** All bytes were taken. */
  end(): Recognised {
    this.#walk(Buffer.alloc(0), true);
    const { opaqueBecause, hint } = this.#grammar;
    const end = this.#grammar.end();
    return {
      ...this.#pages,
      skeletonBytes: this.#skeletonBytes,
      streamEnd: end.state,
      ...(opaqueBecause === undefined ? {} : { opaqueBecause }),
      ...(hint === undefined ? {} : { opaqueHint: hint }),
    };
  }

  #walk(piece: Uint8Array, atEnd: boolean): void {
    const data = this.#unparsed.length === 0 ? piece : Buffer.concat([this.#unparsed, piece]);
    let at = 0;
    for (let taken = 1; taken > 0 && (at < data.length || atEnd); at += taken) {
      taken = this.#grammar.scan(data.subarray(at), atEnd, this.#sink);
    }
    this.#unparsed = Buffer.from(data.subarray(at));
  }
}

/** A sink that only follows what is written. */
export class FollowingSink extends PlainSink {
  readonly label = 'nowhere';
  readonly follower: Follower;

  constructor(kind: StreamKind) {
    super();
    this.follower = new Follower(kind);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.follower.take(bytes);
    return Promise.resolve();
  }
}
