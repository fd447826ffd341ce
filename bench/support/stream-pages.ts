// The pages of a migration stream in a file, one after the other, with their identities. For suites that compare pages
// instead of sending them.

import { closeSync, openSync, readSync } from 'node:fs';

import { grammarFor, type StreamKind } from '../../src/grammar/detect.js';
import type { SegmentSink } from '../../src/grammar/grammar.js';
import type { ByteSource } from '../../src/io/bytes.js';
import { parseAddress } from '../../src/link/address.js';
import { openInput } from '../../src/link/open.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { recognise } from '../../src/transfer/plan/opening.js';

const PIECE = 4 * 1024 * 1024;

export async function kindOf(path: string): Promise<StreamKind> {
  const source: ByteSource = (await openInput(parseAddress(path))).source!;
  try {
    return (await recognise(source, source.file?.size)).kind;
  } finally {
    await source.close();
  }
}

/** Consecutive pages, valid during the call of `visit`. */
export interface PageRun {
  readonly bytes: Buffer;
  /** Position of the first page in `bytes`, and in the stream. */
  readonly at: number;
  readonly offset: number;
  readonly count: number;
  /** Identity of the first page; negative = none. */
  readonly identity: number;
}

/** Calls `visit` for all pages of a stream in their order. */
export async function walkPages(stream: string, visit: (run: PageRun) => void): Promise<void> {
  const grammar = grammarFor(await kindOf(stream));
  const fd = openSync(stream, 'r');
  try {
    const bytes = Buffer.allocUnsafe(PIECE);
    let at = 0;
    let before = 0;
    const out: SegmentSink = {
      full: false,
      skeleton: (n) => (at += n),
      words: (n) => (at += n * 8),
      pages: (count, identity) => {
        visit({ bytes, at, offset: before + at, count, identity });
        at += count * PAGE_BYTES;
      },
      pageData: () => undefined,
      flush: () => undefined,
      totals: () => undefined,
    };
    for (let filled = 0, atEnd = false; !atEnd && grammar.state === 'open';) {
      const got = readSync(fd, bytes, filled, PIECE - filled, null);
      atEnd = got === 0;
      filled += got;
      at = 0;
      const taken = grammar.scan(bytes.subarray(0, filled), atEnd, out);
      bytes.copyWithin(0, taken, filled);
      filled -= taken;
      before += taken;
    }
  } finally {
    closeSync(fd);
  }
}
