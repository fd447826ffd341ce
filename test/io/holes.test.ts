// The search for holes: what it calls a hole reads as zero bytes, and it finds the holes that a file was made with.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { openHoles } from '../../src/io/file/holes.js';
import { libc } from '../../src/os/libc.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-holes-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const BLOCK = 65_536;
/** Beyond what 32 bits hold. */
const FAR = 5 * 2 ** 30;

let count = 0;

/** A file with data at these places and a hole everywhere else. */
function sparse(size: number, data: readonly { at: number; length: number }[]): fs.PathLike {
  const name = path.join(directory, `file-${count++}`);
  const fd = fs.openSync(name, 'w');
  fs.ftruncateSync(fd, size);
  for (const { at, length } of data) fs.writeSync(fd, Buffer.alloc(length, 0xa5), 0, length, at);
  fs.closeSync(fd);
  return name;
}

/** Which extents of `step` bytes lie in a hole; undefined where the file is not asked for holes. */
function covered(name: fs.PathLike, step: number): { at: number; length: number }[] | undefined {
  const fd = fs.openSync(name, 'r');
  try {
    const { size } = fs.fstatSync(fd);
    const holes = openHoles({ path: String(name), fd, size, alignment: 1 });
    if (holes === undefined) return undefined;
    const found = [];
    for (let at = 0; at < size; at += step) {
      const length = Math.min(step, size - at);
      if (holes.cover(at, length)) found.push({ at, length });
    }
    return found;
  } finally {
    fs.closeSync(fd);
  }
}

const { type } = fs.statfsSync(directory);
const trusted = [0xef53, 0x58465342, 0x9123683e, 0x01021994].includes(type) && libc() !== undefined;
const skip = !trusted && 'the file system of the temporary directory tells no holes';

describe('openHoles', () => {
  it('finds holes before, between and after data', { skip }, () => {
    const name = sparse(10 * BLOCK, [
      { at: 2 * BLOCK, length: BLOCK },
      { at: 5 * BLOCK + 4096, length: 4096 },
    ]);
    const found = covered(name, BLOCK)!.map(({ at }) => at / BLOCK);
    assert.deepEqual(found, [0, 1, 3, 4, 6, 7, 8, 9]);
  });

  it('finds holes beyond 4 GiB', { skip }, () => {
    const name = sparse(FAR + 4 * BLOCK, [{ at: FAR + BLOCK, length: BLOCK }]);
    const fd = fs.openSync(name, 'r');
    try {
      const holes = openHoles({ path: '', fd, size: FAR + 4 * BLOCK, alignment: 1 })!;
      const answers = [0, 1, 2, 3].map((block) => holes.cover(FAR + block * BLOCK, BLOCK));
      assert.deepEqual(answers, [true, false, true, true]);
    } finally {
      fs.closeSync(fd);
    }
  });

  it('reports no hole, file without holes', () => {
    assert.equal(covered(sparse(4 * BLOCK, [{ at: 0, length: 4 * BLOCK }]), BLOCK), undefined);
  });

  it('reports no hole that holds a byte, random files', { skip }, () => {
    const place = fc.record({
      at: fc.nat(63).map((page) => page * 4096),
      length: fc.integer({ min: 1, max: 20_000 }),
    });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 6 }), fc.integer({ min: 4096, max: 70_000 }), (data, step) => {
        const name = sparse(64 * 4096 + 20_000, data);
        const bytes = fs.readFileSync(name);
        for (const { at, length } of covered(name, step) ?? []) {
          assert.ok(
            bytes.subarray(at, at + length).every((byte) => byte === 0),
            `byte ${at} of ${JSON.stringify(data)}`,
          );
        }
        fs.rmSync(name);
      }),
      { numRuns: 60 },
    );
  });

  it('reports no hole, unknown file system', () => {
    // Files of /proc are sparse by their numbers.
    const fd = fs.openSync('/proc/self/status', 'r');
    try {
      assert.equal(openHoles({ path: '', fd, size: 1 << 20, alignment: 1 }), undefined);
    } finally {
      fs.closeSync(fd);
    }
  });
});
