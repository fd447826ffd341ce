// The stream of guest memory at both ends: the engine's grammar, and the sink that writes pages to files.
// Any split of the bytes gives the same pages; invalid streams are refused with the reason.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import fc from 'fast-check';

import { MemoryGrammar } from '../../../src/grammar/memory.js';
import {
  MEMORY_RECORD,
  writeMemoryHeader,
  writeMemoryRecord,
  writePagesHead,
} from '../../../src/grammar/memory-format.js';
import { Applier } from '../../../src/hypervisor/qemu/applier.js';
import { closeRamFiles, openRamFiles } from '../../../src/hypervisor/qemu/ram/ram-files.js';
import { PAGE_BYTES } from '../../../src/page/size.js';

const SIZES = [8 * PAGE_BYTES, 4 * PAGE_BYTES];

const page = (text: string): Buffer => Buffer.alloc(PAGE_BYTES, text);

/** Two regions, two rounds, a zero page over another, state. */
function stream(): Buffer {
  return Buffer.concat([
    writeMemoryHeader(SIZES),
    writePagesHead(0, [1, 2, 5]),
    ...[page('one'), page('two'), page('five')],
    writeMemoryRecord(MEMORY_RECORD.round, 0, 1),
    writePagesHead(1, []),
    writePagesHead(1, [3]),
    page('region one'),
    writePagesHead(0, [2, 3]),
    ...[Buffer.alloc(PAGE_BYTES), Buffer.alloc(PAGE_BYTES)],
    writeMemoryRecord(MEMORY_RECORD.ramEnd, 0, 2),
    writeMemoryRecord(MEMORY_RECORD.state, 0, 11),
    Buffer.from('some device'),
    writeMemoryRecord(MEMORY_RECORD.end, 0, 0),
  ]);
}

/** Sizes of the pieces into which a stream is split. */
const splits = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 40 });

function* pieces(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('MemoryGrammar', () => {
  it('reports every page with its identity, in any split', () => {
    fc.assert(
      fc.property(splits, (sizes) => {
        const grammar = new MemoryGrammar();
        const identities: number[] = [];
        const flushes: number[] = [];
        let length = 0;
        const out = {
          full: false,
          skeleton: (n: number) => (length += n),
          words: (n: number) => (length += n * 8),
          pages: (n: number, identity: number) => {
            length += n * PAGE_BYTES;
            for (let index = 0; index < n; index++) identities.push(identity + index);
          },
          pageData: () => undefined,
          flush: () => flushes.push(length),
          totals: () => undefined,
        };
        let left = Buffer.alloc(0);
        for (const piece of pieces(stream(), sizes)) {
          left = Buffer.concat([left, piece]);
          left = left.subarray(grammar.scan(left, false, out));
        }
        assert.deepEqual(identities, [1, 2, 5, 11, 2, 3]);
        assert.equal(length, stream().length);
        assert.equal(grammar.state, 'done');
        assert.equal(grammar.opaqueBecause, undefined);
        // The ends of RAM and of the stream are flushed.
        assert.deepEqual(flushes, [stream().length - 16 - 11 - 16, stream().length]);
      }),
    );
  });

  it('reports unknown records as opaque bytes', () => {
    const grammar = new MemoryGrammar();
    let length = 0;
    const out = {
      ...{ full: false, words: () => undefined, pages: () => undefined, pageData: () => undefined },
      ...{ flush: () => undefined, totals: () => undefined, skeleton: (n: number) => (length += n) },
    };
    const bytes = Buffer.concat([writeMemoryHeader(SIZES), writeMemoryRecord(77, 0, 0), page('x')]);
    let at = 0;
    while (at < bytes.length) at += grammar.scan(bytes.subarray(at), true, out);
    assert.equal(length, bytes.length);
    assert.match(grammar.opaqueBecause ?? '', /record/);
  });
});

/** RAM files: only holes, or filled with a byte. */
function ramFiles(
  test: TestContext,
  fill?: string,
): { files: ReturnType<typeof openRamFiles>; paths: string[] } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-ram-'));
  const paths = SIZES.map((size, index) => {
    const name = path.join(directory, String(index));
    if (fill === undefined) {
      fs.writeFileSync(name, '');
      fs.truncateSync(name, size);
    } else {
      fs.writeFileSync(name, Buffer.alloc(size, fill));
    }
    return name;
  });
  const files = openRamFiles(paths, 'write');
  test.after(() => {
    closeRamFiles(files);
    fs.rmSync(directory, { recursive: true });
  });
  return { files, paths };
}

const NO_HOOKS = {
  unmatched: () => undefined,
  ramComplete: () => Promise.resolve(),
  state: () => Promise.resolve(),
};

describe('Applier', () => {
  for (const fill of [undefined, 'old']) {
    it(`writes every page to its place in ${fill === undefined ? 'fresh files' : 'files with contents'}`, async (test) => {
      const { files, paths } = ramFiles(test, fill);
      assert.equal(files[0]!.fresh, fill === undefined);
      const before = fill === undefined ? Buffer.alloc(PAGE_BYTES) : page(fill);
      const wanted = [
        Buffer.concat([
          before,
          page('one'),
          Buffer.alloc(2 * PAGE_BYTES),
          before,
          page('five'),
          before,
          before,
        ]),
        Buffer.concat([before, before, before, page('region one')]),
      ];
      if (fill !== undefined) {
        // Written as one run, not page by page.
        const whole = Buffer.alloc(SIZES[0]!, fill);
        for (const at of [0, 4, 6, 7])
          whole.copy(wanted[0]!, at * PAGE_BYTES, at * PAGE_BYTES, (at + 1) * PAGE_BYTES);
        Buffer.alloc(SIZES[1]!, fill).copy(wanted[1]!, 0, 0, 3 * PAGE_BYTES);
      }
      await fc.assert(
        fc.asyncProperty(splits, async (sizes) => {
          const heard: string[] = [];
          const applier = new Applier(files, {
            unmatched: () => undefined,
            ramComplete: () => Promise.resolve(void heard.push('ram')),
            state: (bytes) => Promise.resolve(void heard.push(Buffer.from(bytes).toString())),
          });
          for (const piece of pieces(stream(), sizes)) await applier.write(piece);
          assert.equal(applier.complete, true);
          assert.equal(applier.rounds, 2);
          assert.equal(heard[0], 'ram');
          assert.equal(heard.slice(1).join(''), 'some device');
          for (const [index, name] of paths.entries()) {
            assert.ok(fs.readFileSync(name).equals(wanted[index]!), `region ${index}`);
          }
        }),
        { numRuns: 30 },
      );
    });
  }

  it('leaves a hole for a zero page only where no page was written', async (test) => {
    const { files, paths } = ramFiles(test);
    const applier = new Applier(files, NO_HOOKS);
    await applier.write(
      Buffer.concat([writeMemoryHeader(SIZES), writePagesHead(0, [0, 1]), Buffer.alloc(2 * PAGE_BYTES)]),
    );
    assert.equal(fs.statSync(paths[0]!).blocks, 0);
  });

  const broken: [string, Buffer, string][] = [
    ['other sizes', writeMemoryHeader([PAGE_BYTES, PAGE_BYTES]), 'ERR_GUEST_RAM'],
    ['another magic', Buffer.alloc(16, 1), 'ERR_STREAM_MAGIC'],
    [
      'a page beyond the region',
      Buffer.concat([writeMemoryHeader(SIZES), writePagesHead(1, [4])]),
      'ERR_STREAM_FORMAT',
    ],
    [
      'a region that does not exist',
      Buffer.concat([writeMemoryHeader(SIZES), writePagesHead(2, [0])]),
      'ERR_STREAM_FORMAT',
    ],
    [
      'an unknown record',
      Buffer.concat([writeMemoryHeader(SIZES), writeMemoryRecord(9, 0, 0)]),
      'ERR_STREAM_FORMAT',
    ],
    [
      'state before the end of RAM',
      Buffer.concat([writeMemoryHeader(SIZES), writeMemoryRecord(4, 0, 5)]),
      'ERR_STREAM_FORMAT',
    ],
    [
      'an end before the end of RAM',
      Buffer.concat([writeMemoryHeader(SIZES), writeMemoryRecord(5, 0, 0)]),
      'ERR_STREAM_FORMAT',
    ],
    ['something behind the end', Buffer.concat([stream(), Buffer.alloc(1)]), 'ERR_STREAM_FORMAT'],
  ];
  for (const [what, bytes, code] of broken) {
    it(`refuses ${what}`, async (test) => {
      const { files } = ramFiles(test, 'old');
      await assert.rejects(new Applier(files, NO_HOOKS).write(bytes), { code });
    });
  }
});
