// Memory of real guests through `send` and `receive`, once each: the bytes arrive unchanged.

import assert from 'node:assert/strict';
import { createReadStream, existsSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';

import { recordingPath } from '../../lab/places.js';
import { MIB } from '../../src/units.js';
import { carry, workplace } from './support/carry.js';

/** The part of zstd-napi that this test uses. The package is optional; without it, its types are missing, too. */
interface ZstdNapi {
  readonly DecompressStream: new (options: { windowLogMax: number }) => Duplex;
}

// The only binding that reads frames with such long windows.
const ZSTD_NAPI: string = 'zstd-napi';
const zstd = await import(ZSTD_NAPI).then(
  (module) => module as ZstdNapi,
  () => undefined,
);

const place = workplace();

const images: [name: string, most: number, least: number][] = [
  ['idle-256m.ram', Infinity, 4],
  ['busy-512m-t0.ram', 128 * MIB, 1.5],
  ['idle-128m.mig', Infinity, 2],
  ['pv-dirty-live.xlsave', Infinity, 1.2],
];

/** The first `most` bytes of the file's contents. */
async function unpack(file: string, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  const source = createReadStream(file);
  const contents = source.pipe(new zstd!.DecompressStream({ windowLogMax: 31 }));
  for await (const piece of contents as AsyncIterable<Buffer>) {
    parts.push(piece);
    length += piece.length;
    if (length >= most) break;
  }
  source.destroy();
  return Buffer.concat(parts).subarray(0, most);
}

describe('send and receive, memory of real guests', () => {
  for (const [name, most, least] of images) {
    const file = recordingPath(`${name}.zst`);
    const here = existsSync(file) && zstd !== undefined;
    const skip = here ? false : `real data (shared/data/${name}.zst) or zstd-napi is not at hand`;
    it(`carry ${name} unchanged`, { skip, timeout: 120_000 }, async () => {
      const bytes = await unpack(file, most);
      const { bytes: restored, sent } = await carry(place, 'unix', place.file(name, bytes), {
        compressLevel: 1,
      });
      assert.ok(restored.equals(bytes));
      const ratio = bytes.length / sent.ram.transferred;
      assert.ok(ratio > least, `${name} was only made ${ratio.toFixed(2)} times smaller`);
    });
  }
});
