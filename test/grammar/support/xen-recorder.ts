// Records a grammar's reports in a normal form that does not depend on the split of the input, and drives a
// grammar over an input in any split, with checks of the rules of every grammar.

import assert from 'node:assert/strict';
import { MAX_LOOKAHEAD, NO_PAGE, type Grammar, type SegmentSink } from '../../../src/grammar/grammar.js';
import { PAGE_BYTES } from '../../../src/page/size.js';

export type Segment =
  | { readonly kind: 'skeleton'; n: number }
  | { readonly kind: 'words'; n: number; readonly bigEndian: boolean }
  | { readonly kind: 'pages'; n: number; readonly identity: number }
  | { readonly kind: 'pageData'; readonly inside: boolean }
  | { readonly kind: 'flush' }
  | { readonly kind: 'totals' };

/** Joins adjacent skeleton, adjacent words of one byte order, and pages with consecutive identities. */
export function append(segments: Segment[], next: Segment): void {
  const last = segments.at(-1);
  if (last !== undefined && last.kind === next.kind) {
    if (last.kind === 'skeleton' && next.kind === 'skeleton') return void (last.n += next.n);
    if (last.kind === 'words' && next.kind === 'words' && last.bigEndian === next.bigEndian) {
      return void (last.n += next.n);
    }
    if (last.kind === 'pages' && next.kind === 'pages') {
      const follows =
        last.identity < 0 ? next.identity === last.identity : next.identity === last.identity + last.n;
      if (follows) return void (last.n += next.n);
    }
  }
  segments.push({ ...next });
}

export function bytesOf(segment: Segment): number {
  switch (segment.kind) {
    case 'skeleton':
      return segment.n;
    case 'words':
      return segment.n * 8;
    case 'pages':
      return segment.n * PAGE_BYTES;
    default:
      return 0;
  }
}

/** A sink that is full after every `room` calls until reopen(). */
export class Recorder implements SegmentSink {
  readonly segments: Segment[] = [];
  covered = 0;
  calls = 0;
  #room: number;
  #left: number;

  constructor(room = Infinity) {
    this.#room = room;
    this.#left = room;
  }

  get full(): boolean {
    return this.#left <= 0;
  }

  reopen(): void {
    this.#left = this.#room;
  }

  #add(segment: Segment): void {
    if (bytesOf(segment) === 0 && 'n' in segment) assert.fail(`an empty ${segment.kind}`);
    this.calls += 1;
    this.#left -= 1;
    this.covered += bytesOf(segment);
    append(this.segments, segment);
  }

  skeleton(n: number): void {
    this.#add({ kind: 'skeleton', n });
  }
  words(n: number, bigEndian: boolean): void {
    this.#add({ kind: 'words', n, bigEndian });
  }
  pages(n: number, identity: number): void {
    assert.ok(Number.isSafeInteger(identity) && identity >= NO_PAGE);
    this.#add({ kind: 'pages', n, identity });
  }
  pageData(inside: boolean): void {
    this.#add({ kind: 'pageData', inside });
  }
  flush(): void {
    this.#add({ kind: 'flush' });
  }
  totals(): void {
    this.#add({ kind: 'totals' });
  }
}

/**
 ** Feeds `input` in pieces of the sizes of `nextSize`, then marks the end.
 ** Checks that the calls cover exactly the consumed bytes, that scan keeps at most MAX_LOOKAHEAD bytes back,
 ** that it makes progress, and that it takes nothing once it is done.
 ** @returns how many bytes were consumed: all, unless the grammar was done before
 */
export function drive(
  grammar: Grammar,
  input: Uint8Array,
  nextSize: () => number,
  recorder: Recorder,
): number {
  let consumed = 0;
  let fed = 0;
  for (;;) {
    const atEnd = fed === input.length;
    for (;;) {
      recorder.reopen();
      const before = recorder.calls;
      const taken = grammar.scan(input.subarray(consumed, fed), atEnd, recorder);
      consumed += taken;
      assert.equal(recorder.covered, consumed, 'the calls cover what was consumed');
      if (!recorder.full) break;
      assert.ok(recorder.calls > before, 'a full sink has been given something');
      if (taken === 0) break;
    }
    if (grammar.state === 'done') {
      assert.equal(grammar.scan(input.subarray(consumed), true, recorder), 0, 'nothing is taken once done');
      return consumed;
    }
    assert.ok(fed - consumed <= MAX_LOOKAHEAD, 'bounded lookahead');
    if (atEnd) {
      assert.equal(consumed, input.length, 'everything is consumed at the end');
      return consumed;
    }
    fed = Math.min(input.length, fed + nextSize());
  }
}

/** Drives with pieces of one size. */
export function record(
  grammar: Grammar,
  input: Uint8Array,
  pieceSize = Infinity,
  room = Infinity,
): { segments: Segment[]; consumed: number } {
  const recorder = new Recorder(room);
  const consumed = drive(grammar, input, () => pieceSize, recorder);
  return { segments: recorder.segments, consumed };
}
