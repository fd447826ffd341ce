// Chunks that use the page store: both stores hold the same after each chunk, every representation restores its page, and every
// false claim of a hostile chunk is refused.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { decodeChunk } from '../../src/chunk/decode.js';
import { encodeChunk, recordCapacity } from '../../src/chunk/encode.js';
import { OperationWriter, OP } from '../../src/chunk/operations.js';
import { PageStore, storeMemoryBytes } from '../../src/chunk/page-store.js';
import { OPERATIONS_CAPACITY, type PlanInput } from '../../src/chunk/plan.js';
import { type ChunkHeader, readChunkHeader } from '../../src/chunk/record.js';
import { SEGMENT } from '../../src/chunk/segments.js';
import { NO_SLOT, ownSlot } from '../../src/chunk/store-plan.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { noise } from '../codec/support.js';
import { codec, expander, page, planner, sharedBuffer } from './support.js';
import { isTyped } from './typed.js';

const SLOTS = 8;
const MAX = 16 * PAGE_BYTES;

function store(): PageStore {
  return new PageStore(new SharedArrayBuffer(storeMemoryBytes(SLOTS)));
}

describe('PageStore', () => {
  it('asks for memory just before the first page behind what is ready', () => {
    const ready = [100, 300.5, 300.5, 600].map((pages) => pages * PAGE_BYTES);
    let asked = 0;
    const pages = new PageStore(new SharedArrayBuffer(storeMemoryBytes(600)), {
      next: () => ready[asked++]!,
    });
    const put = (slot: number): void => pages.put(slot, page(1), 0, slot);
    for (let slot = 0; slot < 100; slot++) put(slot);
    put(3);
    assert.equal(asked, 1);
    for (let slot = 100; slot < 300; slot++) put(slot);
    assert.equal(asked, 2);
    for (let slot = 300; slot < 600; slot++) put(slot);
    assert.equal(asked, 4, 'a page of which a part is ready makes it look again');
  });
});

interface StoredPage {
  readonly bytes: Uint8Array;
  readonly own?: number;
  readonly equal?: number;
}

interface Side {
  readonly pages: PageStore;
  sequence: number;
}

/** Encodes a chunk of these pages; the chunk before it is complete. */
async function encode(
  side: Side,
  list: readonly StoredPage[],
  dry = false,
  packed = false,
): Promise<{ record: Buffer; header: ChunkHeader; store: unknown }> {
  const length = list.length * PAGE_BYTES;
  const front = sharedBuffer(OPERATIONS_CAPACITY + length);
  list.forEach(({ bytes }, index) => front.set(bytes, OPERATIONS_CAPACITY + index * PAGE_BYTES));
  const input: PlanInput = {
    front,
    length,
    segments: Int32Array.of(SEGMENT.pages, list.length),
    segmentCount: 1,
  };
  const out = sharedBuffer(recordCapacity(length));
  const sequence = side.sequence++;
  const turns: string[] = [];
  const turn = {
    plan: {
      store: side.pages,
      sequence,
      needs: sequence,
      table: Int32Array.from(list.flatMap(({ own = NO_SLOT, equal = NO_SLOT }) => [own, equal])),
      dry,
    },
    begin: () => turns.push('begin'),
    end: () => turns.push('end'),
  };
  const place = { sequence, needs: sequence, offset: 0 };
  const coding = { codec: packed ? codec('zstd') : undefined, level: 1 };
  const encoded = await encodeChunk(planner(length), input, { place, coding, turn }, out, 0);
  assert.deepEqual(turns, dry ? ['begin'] : ['begin', 'end']);
  return {
    record: Buffer.from(out.subarray(0, encoded.length)),
    header: encoded.header,
    store: encoded.store,
  };
}

async function decode(pages: PageStore, record: Buffer): Promise<Buffer> {
  const header = readChunkHeader(record, 0, MAX, true);
  const out = sharedBuffer(header.decodedLength);
  await decodeChunk(
    {
      expander: expander(MAX),
      scratch: sharedBuffer(recordCapacity(MAX)),
      codec,
      store: { store: pages, wait: () => undefined },
    },
    header,
    record,
    out,
  );
  return out;
}

/** Page `seed` with a few bytes that name its version. */
function version(seed: number, number: number): Uint8Array {
  const bytes = Uint8Array.from(page(seed));
  bytes.set([number, number >>> 8, 77], 300);
  return bytes;
}

describe('PageStore', () => {
  it('restores same, stored, delta and literal pages', async () => {
    const from: Side = { pages: store(), sequence: 0 };
    const to = store();
    const first = [
      { bytes: version(2, 1), own: ownSlot(0, false) },
      { bytes: version(4, 1), own: ownSlot(1, false) },
      { bytes: version(3, 1), own: ownSlot(5, false) },
      { bytes: version(5, 1) },
    ];
    const one = await encode(from, first);
    assert.equal(one.header.literal, 4);
    assert.deepEqual(await decode(to, one.record), Buffer.concat(first.map(({ bytes }) => bytes)));
    assert.deepEqual(to.bytes, from.pages.bytes);
    const second = [
      { bytes: version(2, 1), own: ownSlot(0, true) },
      { bytes: version(4, 2), own: ownSlot(1, true) },
      { bytes: version(3, 1), equal: 5 },
      { bytes: page(0), own: ownSlot(5, true) },
      { bytes: noise(PAGE_BYTES, 9), own: ownSlot(5, true) },
      { bytes: version(7, 2), equal: 5 },
    ];
    const two = await encode(from, second);
    const { same, delta, duplicate, zero, literal } = two.header;
    assert.deepEqual(
      { same, delta, duplicate, zero, literal },
      { same: 1, delta: 1, duplicate: 1, zero: 1, literal: 2 },
    );
    assert.deepEqual(await decode(to, two.record), Buffer.concat(second.map(({ bytes }) => bytes)));
    assert.deepEqual(to.bytes, from.pages.bytes);
    assert.deepEqual(
      from.pages.bytes.subarray(5 * PAGE_BYTES, 6 * PAGE_BYTES),
      Buffer.from(noise(PAGE_BYTES, 9)),
    );
  });

  it('is the same on both sides after any chunks', async () => {
    const pageOf = fc.record({
      seed: fc.nat(7),
      number: fc.nat(3),
      own: fc.option(fc.tuple(fc.nat(SLOTS - 1), fc.boolean())),
      equal: fc.option(fc.nat(SLOTS - 1)),
    });
    const list = fc.array(fc.array(pageOf, { minLength: 1, maxLength: 16 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(list, fc.boolean(), fc.boolean(), async (chunks, packed, dry) => {
        const from: Side = { pages: store(), sequence: 0 };
        const to = store();
        for (const pages of chunks) {
          const given = pages.map(({ seed, number, own, equal }) => ({
            bytes: seed === 0 ? page(0) : version(seed, number),
            own: own === null ? NO_SLOT : ownSlot(...own),
            equal: equal ?? NO_SLOT,
          }));
          const before = Buffer.from(from.pages.bytes);
          const { record } = await encode(from, given, dry, packed);
          if (dry) {
            assert.deepEqual(from.pages.bytes, before);
            // As the self-check does.
            await decode(from.pages, record);
          }
          assert.deepEqual(await decode(to, record), Buffer.concat(given.map(({ bytes }) => bytes)));
          assert.deepEqual(to.bytes, from.pages.bytes);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('uses a delta only where it costs less than the page', async () => {
    const from: Side = { pages: store(), sequence: 0 };
    const blank = Buffer.alloc(PAGE_BYTES, 32);
    await encode(from, [
      { bytes: blank, own: ownSlot(0, false) },
      { bytes: noise(PAGE_BYTES, 1), own: ownSlot(1, false) },
    ]);
    const change = (bytes: Uint8Array): Buffer => {
      const copy = Buffer.from(bytes);
      copy.fill(7, 1000, 1200);
      return copy;
    };
    const pages = [
      { bytes: change(blank), own: ownSlot(0, true) },
      { bytes: change(noise(PAGE_BYTES, 1)), own: ownSlot(1, true) },
    ];
    const packed = await encode({ ...from }, pages, true, true);
    assert.deepEqual([packed.header.literal, packed.header.delta], [1, 1]);
    const stored = await encode({ ...from }, pages, true, false);
    assert.deepEqual([stored.header.literal, stored.header.delta], [0, 2]);
  });

  it('stays as it was, when a chunk is damaged', async () => {
    const from: Side = { pages: store(), sequence: 0 };
    const to = store();
    const { record } = await encode(from, [{ bytes: version(2, 1), own: ownSlot(3, false) }]);
    record.writeBigUInt64LE(1n, 72);
    const { sealRange } = await import('../../src/chunk/checksum.js');
    sealRange(record, 0, record.length - 8);
    await assert.rejects(decode(to, record), isTyped('ERR_STREAM_CHECKSUM'));
    assert.ok(!to.holds(3, 100));
    assert.ok(to.bytes.every((byte) => byte === 0));
  });
});

describe('PageStore and a hostile chunk', () => {
  /** A store in which chunk 0 has written slot 0 and chunk 4 slot 1. */
  function known(): PageStore {
    const pages = store();
    pages.put(0, page(2), 0, 0);
    pages.put(1, page(3), 0, 4);
    return pages;
  }

  type Build = (out: OperationWriter) => void;

  function expand(build: Build, content: Uint8Array, pages = 1, needs = 1): void {
    const operations = new OperationWriter(new Uint8Array(4096));
    build(operations);
    const out = sharedBuffer(pages * PAGE_BYTES);
    expander(MAX).expand(operations.bytes, Buffer.from(content), out, { store: known(), needs });
  }

  const reading =
    (kind: number, slot: number, count = 1, length?: number): Build =>
    (out) => {
      out.begin(kind, count);
      out.signed(slot);
      if (length !== undefined) out.number(length);
    };

  it('accepts sound chunks', () => {
    expand(reading(OP.same, 0), new Uint8Array(0));
    expand(reading(OP.stored, 0, 2), new Uint8Array(0), 2, 5);
    expand(reading(OP.delta, 0, 1, 3), Uint8Array.of(5, 1, 9));
    expand((out) => {
      out.begin(OP.literal, 1);
      out.begin(OP.keep, 1);
      out.signed(SLOTS - 1);
    }, page(5));
  });

  const literalAnd =
    (...rest: Build[]): Build =>
    (out) => {
      out.begin(OP.literal, 1);
      for (const build of rest) build(out);
    };
  const bad: [
    name: string,
    build: Build,
    content?: Uint8Array | undefined,
    pages?: number,
    needs?: number,
  ][] = [
    ['reads a slot below 0', reading(OP.same, -1)],
    ['reads a slot beyond the store', reading(OP.stored, SLOTS)],
    ['reads slots that end beyond the store', reading(OP.same, SLOTS - 1, 2), undefined, 2],
    ['reads a slot that was never written', reading(OP.same, 2)],
    ['reads slots of which one is not written', reading(OP.stored, 1, 2), undefined, 2, 5],
    ['reads a slot that it does not wait for', reading(OP.stored, 1), undefined, 1, 4],
    ['has a delta to a slot that was never written', reading(OP.delta, 3, 1, 3), Uint8Array.of(5, 1, 9)],
    ['has a delta to a slot beyond the store', reading(OP.delta, SLOTS, 1, 3), Uint8Array.of(5, 1, 9)],
    ['has a delta that overruns its page', reading(OP.delta, 0, 1, 4), Uint8Array.of(0xff, 0x1f, 2, 1)],
    ['has a delta longer than its content', reading(OP.delta, 0, 1, 4), Uint8Array.of(5, 1, 9)],
    ['has an empty delta', reading(OP.delta, 0, 1, 0)],
    ['leaves content of a delta over', reading(OP.delta, 0, 1, 3), Uint8Array.of(5, 1, 9, 1)],
    ['produces more pages than it decodes to', reading(OP.stored, 0, 2), undefined, 1, 5],
    ['keeps a page before it has one', reading(OP.keep, 0), page(5)],
    ['keeps more pages than it has', literalAnd(reading(OP.keep, 0, 2)), page(5)],
    ['keeps a page beyond the store', literalAnd(reading(OP.keep, SLOTS)), page(5)],
    [
      'keeps its pages again and again',
      literalAnd(...Array.from({ length: 17 }, () => reading(OP.keep, -1))),
      page(5),
    ],
    ['has an operation of an unknown kind', reading(13, 0)],
  ];
  for (const [name, build, content = new Uint8Array(0), pages, needs] of bad) {
    it(`refuses a chunk that ${name}`, () => {
      assert.throws(() => expand(build, content, pages, needs), isTyped('ERR_STREAM_FORMAT'));
    });
  }

  it('refuses store operations, when the stream has no page store', () => {
    for (const kind of [OP.same, OP.stored, OP.delta, OP.keep]) {
      const operations = new OperationWriter(new Uint8Array(64));
      operations.begin(kind, 1);
      operations.signed(0);
      assert.throws(
        () => expander(MAX).expand(operations.bytes, Buffer.alloc(0), sharedBuffer(PAGE_BYTES)),
        isTyped('ERR_STREAM_FORMAT'),
      );
    }
  });
});
