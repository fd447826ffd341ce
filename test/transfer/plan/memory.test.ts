// Slots within the memory limit: for any settings the geometry fits, or the error states the figures.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { recordCapacity } from '../../../src/chunk/encode.js';
import { largestChunk } from '../../../src/transfer/plan/largest-fit.js';
import { type MemoryNeeds, receiverGeometry, senderGeometry } from '../../../src/transfer/plan/memory.js';
import { slotBytes } from '../../../src/slot/layout.js';
import { KIB, MIB } from '../../../src/units.js';
import { isTyped } from '../../chunk/typed.js';

const needs: fc.Arbitrary<MemoryNeeds> = fc.record(
  {
    limit: fc.integer({ min: 4 * MIB, max: 4096 * MIB }),
    threads: fc.integer({ min: 1, max: 64 }),
    chunkSize: fc.integer({ min: 16, max: 16_384 }).map((pages) => pages * 4 * KIB),
    codecBytes: fc.nat(64 * MIB),
    extraSlots: fc.integer({ min: 1, max: 256 }),
    storeBytes: fc.constant(0),
  },
  { noNullPrototype: true },
);

describe('slot geometry', () => {
  for (const [name, geometryOf] of [
    ['a sender', senderGeometry],
    ['a receiver', receiverGeometry],
  ] as const) {
    it(`fits the limit with one slot per thread and the extra slots, or throws ERR_MEMORY_LIMIT, ${name}`, () => {
      fc.assert(
        fc.property(needs, (need) => {
          const record = recordCapacity(need.chunkSize);
          try {
            const geometry = geometryOf(need, record);
            const slots = geometry.slots * slotBytes(geometry);
            assert.ok(slots + need.threads * need.codecBytes <= need.limit);
            assert.ok(geometry.slots >= need.threads + need.extraSlots);
            assert.ok(geometry.input >= (name === 'a sender' ? need.chunkSize : record));
            assert.ok(geometry.output >= (name === 'a sender' ? record : need.chunkSize));
          } catch (thrown) {
            isTyped('ERR_MEMORY_LIMIT')(thrown);
            assert.ok((thrown as Error).message.includes(`${need.threads} threads`));
          }
        }),
        { numRuns: 500 },
      );
    });

    it(`has no fewer slots with more memory, and no more than are useful, ${name}`, () => {
      fc.assert(
        fc.property(needs, fc.nat(1024 * MIB), (need, more) => {
          const of = (limit: number): number => {
            try {
              return geometryOf({ ...need, limit }, recordCapacity(need.chunkSize)).slots;
            } catch {
              return 0;
            }
          };
          assert.ok(of(need.limit + more) >= of(need.limit));
          assert.ok(of(2 ** 45) <= Math.max(need.threads + need.extraSlots, 2 * need.threads + 2));
        }),
      );
    });
  }

  it('fits the largest chunk that a receiver announces, and not the next size', () => {
    fc.assert(
      fc.property(needs, ({ limit, threads, extraSlots, storeBytes }) => {
        const rest = { limit, threads, extraSlots, storeBytes };
        const codecBytes = (chunkSize: number): number => 2 * chunkSize;
        const fits = (chunkSize: number): boolean => {
          try {
            const need = { ...rest, chunkSize, codecBytes: codecBytes(chunkSize) };
            return receiverGeometry(need, recordCapacity(chunkSize)).slots > 0;
          } catch {
            return false;
          }
        };
        let largest: number;
        try {
          largest = largestChunk(rest, codecBytes);
        } catch (thrown) {
          isTyped('ERR_MEMORY_LIMIT')(thrown);
          assert.ok(!fits(64 * KIB));
          return;
        }
        assert.ok(fits(largest));
        assert.equal(largest % (64 * KIB), 0);
        assert.ok(largest === 64 * MIB || !fits(largest + 64 * KIB));
      }),
      { numRuns: 300 },
    );
  });
});
