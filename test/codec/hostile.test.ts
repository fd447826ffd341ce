// Input that claims more than it has, or holds more than it claims: refused before memory is spent on it.
// Measured by the resident memory of this process; the peak of a child process would need timing.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { RamferryError } from '../../src/errors.js';
import { MIB } from '../../src/units.js';
import { candidates, shared, sharedRoom, zstdBindings } from './support.js';

async function refusal(promise: Promise<void>): Promise<RamferryError> {
  try {
    await promise;
  } catch (thrown) {
    assert.ok(thrown instanceof RamferryError, String(thrown));
    assert.equal(thrown.code, 'ERR_STREAM_CODEC');
    return thrown;
  }
  assert.fail('was not refused');
}

/** Bytes of resident memory that the work has added at its end. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  const peakBefore = process.resourceUsage().maxRSS * 1024;
  await work();
  const peak = process.resourceUsage().maxRSS * 1024;
  return peak > peakBefore ? peak - before : 0;
}

/** n run-length blocks of 128 KiB each: 4 bytes become 131072. */
function runLengthBlocks(n: number): number[] {
  const blocks: number[] = [];
  for (let i = 0; i < n; i += 1) {
    const word = (i === n - 1 ? 1 : 0) | (1 << 1) | (131_072 << 3);
    blocks.push(word & 255, (word >> 8) & 255, word >> 16, 0xff);
  }
  return blocks;
}

/** n compressed blocks, each 128 KiB of run-length literals and no sequences: 9 bytes become 131072. */
function literalBlocks(n: number): number[] {
  const blocks: number[] = [];
  for (let i = 0; i < n; i += 1) {
    const literals = 1 | (3 << 2) | (131_072 << 4);
    const body = [literals & 255, (literals >> 8) & 255, literals >> 16, 0xff, 0];
    const word = (i === n - 1 ? 1 : 0) | (2 << 1) | (body.length << 3);
    blocks.push(word & 255, (word >> 8) & 255, word >> 16, ...body);
  }
  return blocks;
}

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
const CLAIMS_1_MIB = [...MAGIC, 0xa0, 0, 0, 0x10, 0];

for (const [binding, open] of zstdBindings) {
  describe(`hostile zstd frames by ${binding}`, () => {
    const cases: readonly (readonly [string, readonly number[], RegExp])[] = [
      ['no content size', [...MAGIC, 0, 0x58, ...runLengthBlocks(8)], /no decoded length/],
      [
        'a content size of 2^60',
        [...MAGIC, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, ...runLengthBlocks(1)],
        /decoded length of/,
      ],
      ['a window of 3 TiB', [...MAGIC, 0x80, 0xff, 0, 0, 0x10, 0, ...runLengthBlocks(8)], /single segment/],
      ['a dictionary', [...MAGIC, 0xa1, 7, 0, 0, 0x10, 0, ...runLengthBlocks(8)], /dictionary 7/],
      ['1 GiB of run-length blocks', [...CLAIMS_1_MIB, ...runLengthBlocks(8192)], /far more/],
      ['1 GiB of compressed blocks', [...CLAIMS_1_MIB, ...literalBlocks(8192)], /far more/],
      ['two frames', [...CLAIMS_1_MIB, ...runLengthBlocks(8), ...CLAIMS_1_MIB], /left over/],
      ['a skippable frame', [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], /skippable/],
      ['a block of the reserved type', [...CLAIMS_1_MIB, 7, 0, 0], /reserved type/],
      ['the reserved bit', [...MAGIC, 0xa8, 0, 0, 0x10, 0, ...runLengthBlocks(8)], /reserved bit/],
    ];
    for (const [what, frame, expected] of cases) {
      it(`refuses ${what}`, async () => {
        const codec = open();
        const src = shared(Uint8Array.from(frame));
        const grown = await growth(async () => {
          const error = await refusal((async () => codec.decompress(sharedRoom(MIB), src))());
          assert.match(error.message, expected);
        });
        assert.ok(grown < 64 * MIB, `${grown} bytes grown`);
      });
    }

    it('spends a small multiple of the announced length on blocks that the check lets through', async () => {
      const codec = open();
      // 16 MiB promised behind 1 MiB claimed: within the rule, so the native decoder must find it.
      const src = shared(Uint8Array.from([...CLAIMS_1_MIB, ...literalBlocks(128)]));
      const grown = await growth(() => refusal((async () => codec.decompress(sharedRoom(MIB), src))()));
      assert.ok(grown < 96 * MIB, `${grown} bytes grown`);
    });
  });
}

describe('hostile input of the other codecs', () => {
  const withoutZstd = candidates.filter(({ codec }) => codec !== 'zstd');

  it('zlib stops inflating at the announced length', async () => {
    const bomb = shared(deflateRawSync(Buffer.alloc(256 * MIB), { level: 1 }));
    for (const { open } of withoutZstd.filter(({ codec }) => codec === 'zlib')) {
      const grown = await growth(() => refusal((async () => open().decompress(sharedRoom(MIB), bomb))()));
      assert.ok(grown < 64 * MIB, `${grown} bytes grown`);
    }
  });

  it('lz4 stops at the announced length, and uses no length from the sender', async () => {
    // A run of 255s is a match of that many times 255 bytes: 1 MiB claims 255 MiB.
    const bomb = shared(Uint8Array.from([0x1f, 0, 1, 0, ...new Array<number>(MIB - 8).fill(255), 0]));
    for (const { open } of withoutZstd.filter(({ codec }) => codec === 'lz4')) {
      const grown = await growth(() => refusal((async () => open().decompress(sharedRoom(MIB), bomb))()));
      assert.ok(grown < 64 * MIB, `${grown} bytes grown`);
    }
  });

  it('lz4 refuses a block longer than any block of the decoded length', async () => {
    for (const { open } of withoutZstd.filter(({ codec }) => codec === 'lz4')) {
      const error = await refusal(
        (async () => open().decompress(sharedRoom(100), sharedRoom(100 + 16 + 1)))(),
      );
      assert.match(error.message, /longer/);
    }
  });
});
