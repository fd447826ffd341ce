// zstd with long-distance matching: repetitions far apart are found, and every binding reads the frames.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { bindingInfo, openZstd } from '../../src/codec/registry.js';
import { MIB } from '../../src/units.js';
import { noise, roomFor, shared, sharedRoom, zstdBindings } from './support.js';

/** Noise, and its first MiB once more at the end: 19 MiB lie between. */
const data = ((): Uint8Array => {
  const bytes = noise(20 * MIB);
  bytes.copyWithin(19 * MIB, 0, MIB);
  return shared(bytes);
})();

for (const [binding] of zstdBindings.filter(
  ([name]) => bindingInfo('zstd', { binding: name }).longDistance,
)) {
  it(`zstd of ${binding} finds repetitions far apart, only with longDistance`, async () => {
    const lengths: number[] = [];
    for (const far of [true, false]) {
      const room = roomFor(data.length);
      const length = await openZstd({ binding, longDistance: far }).compress(room, data, 1);
      lengths.push(length);
      for (const [, open] of zstdBindings) {
        const decoded = sharedRoom(data.length);
        await open().decompress(decoded, room.subarray(0, length));
        assert.equal(Buffer.compare(decoded, data), 0);
      }
    }
    const [far, near] = lengths as [number, number];
    assert.ok(far < 19.1 * MIB && near > 19.9 * MIB, lengths.join());
  });
}

it('a binding without long-distance matching says so, and compresses without it', async () => {
  for (const [binding] of zstdBindings.filter(
    ([name]) => !bindingInfo('zstd', { binding: name }).longDistance,
  )) {
    const part = data.subarray(0, MIB);
    const room = roomFor(part.length);
    assert.ok((await openZstd({ binding, longDistance: true }).compress(room, part, 1)) > 0);
  }
});

it('memoryPerThread includes the tables of long-distance matching', () => {
  for (const [binding] of zstdBindings) {
    const info = bindingInfo('zstd', { binding });
    const more = info.memoryPerThread(3, 64 * MIB, true) - info.memoryPerThread(3, 64 * MIB);
    assert.equal(more, info.longDistance ? 32 * MIB : 0);
  }
});
