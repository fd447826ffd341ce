// Drives a StreamFeeder over bytes in memory: any split, any stall, on a clock of its own. What it took is kept as
// chunks; the slots are overwritten afterwards, as a worker may do.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { MockTimers } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import { OPERATIONS_CAPACITY } from '../../../src/chunk/plan.js';
import { MAX_SEGMENTS, SEGMENT } from '../../../src/chunk/segments.js';
import type { Grammar } from '../../../src/grammar/grammar.js';
import type { ByteSource } from '../../../src/io/bytes.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { StreamFeeder } from '../../../src/transfer/sender/feeder.js';
import type { Cut } from '../../../src/transfer/sender/filler.js';
import { OrderedPool } from '../../../src/pool/ordered-pool.js';

export interface Chunk {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly segments: readonly number[];
  readonly cut: Cut;
}

/** Bytes that come with one read, or a time (in milliseconds) in which none come. */
export type Event = { readonly bytes: number } | { readonly stall: number };

export interface Feeding {
  readonly grammar: Grammar;
  readonly input: Uint8Array;
  readonly events: Iterable<Event>;
  readonly chunkSize: number;
  readonly regions?: boolean;
  readonly flushAfter?: number;
  /** Bytes of the input that were read already. */
  readonly head?: number;
  /** The input is a regular file. */
  readonly file?: boolean;
  /** Where stalls make the time pass. */
  readonly clock?: MockTimers;
  /** Whether a chunk would now wait behind another for a worker; by default it never does. */
  readonly hasBacklog?: () => boolean;
  /** Called after a stall: how many bytes have arrived, and how many have left as chunks. */
  readonly afterStall?: (arrived: number, left: number) => void;
}

const LENGTH_OF: Record<number, number> = {
  [SEGMENT.skeleton]: 1,
  [SEGMENT.wordsLE]: 8,
  [SEGMENT.wordsBE]: 8,
  [SEGMENT.pages]: PAGE_BYTES,
};

/** Feeds everything; returns the chunks, and how many bytes the source was asked for. */
export async function feed(feeding: Feeding): Promise<{ chunks: Chunk[]; read: number }> {
  const { input, chunkSize, head = 0 } = feeding;
  const pool = new OrderedPool({
    entry: new URL('file:///no-such-entry'),
    threads: 1,
    geometry: {
      slots: 3,
      segments: MAX_SEGMENTS,
      headroom: OPERATIONS_CAPACITY,
      input: chunkSize,
      output: 1,
    },
    startUp: { maxChunk: chunkSize, fd: -1, alignment: 1, zstdBinding: '' },
  });
  Object.defineProperty(pool, 'hasBacklog', { get: feeding.hasBacklog ?? ((): boolean => false) });
  const chunks: Chunk[] = [];
  let left = 0;
  let read = head;
  const events = feeding.events[Symbol.iterator]();
  const source: ByteSource = {
    label: 'memory',
    ...(feeding.file === true ? { file: { path: '', fd: -1, size: input.length, alignment: 1 } } : {}),
    async read(target) {
      assert.ok(target.length > 0, 'a read has room');
      for (;;) {
        const next = events.next();
        const event: Event = next.done === true ? { bytes: Infinity } : next.value;
        if ('bytes' in event) {
          const piece = input.subarray(read, read + Math.min(event.bytes, target.length));
          // Arrives while others look elsewhere, as from the kernel.
          await Promise.resolve();
          target.set(piece);
          read += piece.length;
          return piece.length;
        }
        feeding.clock?.tick(event.stall);
        await setImmediate();
        feeding.afterStall?.(read, left);
      }
    },
    close: () => Promise.resolve(),
  };
  const feeder = new StreamFeeder({
    source,
    head: input.subarray(0, head),
    grammar: feeding.grammar,
    pool,
    chunkSize,
    regions: feeding.regions ?? false,
    identities: false,
    flushAfter: feeding.flushAfter ?? 60_000,
    taker: {
      take: (index, cut) => {
        const slot = pool.slots[index]!;
        assert.equal(slot.encode.inputLength, cut.length);
        assert.equal(slot.encode.readAt, -1);
        const segments = [...slot.segments.subarray(0, cut.segments * 2)];
        chunks.push({
          offset: slot.encode.offset,
          bytes: Buffer.from(slot.input.subarray(0, cut.length)),
          segments,
          cut,
        });
        assert.equal(slot.encode.offset, left);
        left += cut.length;
        checkChunk(chunks.at(-1)!, chunkSize);
        slot.front.fill(0xee);
        pool.release(index);
      },
    },
  });
  try {
    await feeder.run();
    assert.equal(feeder.offset, left);
  } finally {
    await pool.close();
  }
  return { chunks, read };
}

function checkChunk({ bytes, segments, cut }: Chunk, chunkSize: number): void {
  assert.ok(cut.length > 0 || cut.totals, 'a chunk without bytes is only there for its totals');
  assert.ok(cut.length <= chunkSize, `a chunk of ${cut.length} bytes`);
  assert.ok(cut.segments <= MAX_SEGMENTS);
  let covered = 0;
  for (let at = 0; at < segments.length; at += 2) {
    assert.ok(segments[at + 1]! > 0, 'no empty segment');
    covered += LENGTH_OF[segments[at]!]! * segments[at + 1]!;
  }
  assert.equal(covered, bytes.length, 'the segments cover the chunk');
}

/** Everything about the chunks but their bytes, which {@link joined} has. */
export function shapes(chunks: readonly Chunk[]): unknown[] {
  return chunks.map(({ offset, segments, cut }) => ({ offset, cut, segments: segments.join() }));
}

export function joined(chunks: readonly Chunk[]): Buffer {
  return Buffer.concat(chunks.map(({ bytes }) => bytes));
}
