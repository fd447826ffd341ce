// Every binding of a codec must read for ever what was once written.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { candidates, memoryLike, shared, sharedRoom, zstdBindings } from './support.js';
import { VECTORS } from './vectors.js';

const LENGTH = 1100;

describe('golden vectors', () => {
  it('hold an input that has not changed', () => {
    assert.equal(
      createHash('sha256').update(memoryLike(LENGTH)).digest('hex'),
      'd5a1137f5a72d72a4c7aba61342229a677bece7a54617fe5777bf3d887e8b952',
    );
  });

  for (const { codec, what, hex } of VECTORS) {
    for (const { binding, open } of candidates.filter((each) => each.codec === codec)) {
      it(`${codec} by ${binding} decodes ${what}`, async () => {
        const decoded = sharedRoom(LENGTH);
        await open().decompress(decoded, shared(Buffer.from(hex, 'hex')));
        assert.deepEqual(Buffer.from(decoded), Buffer.from(memoryLike(LENGTH)));
      });
    }
  }

  // Raw, run-length and empty blocks by hand from RFC 8878: encoders seldom write them, decoders must read them.
  const handMade = '28b52ffd2008' + '180000' + 'a1b2c3' + '2a0000' + 'ff' + '010000';
  for (const [binding, open] of zstdBindings) {
    it(`zstd by ${binding} decodes raw, run-length and empty blocks`, async () => {
      const decoded = sharedRoom(8);
      await open().decompress(decoded, shared(Buffer.from(handMade, 'hex')));
      assert.equal(Buffer.from(decoded).toString('hex'), 'a1b2c3ffffffffff');
    });
  }
});
