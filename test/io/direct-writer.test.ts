// Files written past the page cache, on a file system that has it and on one that does not.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';

import fc from 'fast-check';

import { DirectWriter } from '../../src/io/file/direct-writer.js';
import { FileOutput } from '../../src/io/file/output.js';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ramferry-direct-'));
after(() => fs.rmSync(directory, { recursive: true, force: true }));

const { O_RDWR, O_CREAT, O_DIRECT, O_TRUNC } = fs.constants;

function supported(): boolean {
  try {
    const fd = fs.openSync(path.join(directory, 'probe'), O_RDWR | O_CREAT | O_DIRECT, 0o600);
    try {
      return DirectWriter.on(fd) !== undefined;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return false;
  }
}

const skip = !supported() && 'this file system has no direct I/O';

/** Bytes of pages that differ, some of them zero. */
function sample(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) if ((at >> 12) % 3 !== 1) bytes[at] = (at * 31 + (at >> 8)) & 0xff;
  return bytes;
}

describe('DirectWriter', { skip }, () => {
  it('leaves an empty file after the trial', () => {
    const fd = fs.openSync(path.join(directory, 'empty'), O_RDWR | O_CREAT | O_DIRECT, 0o600);
    assert.notEqual(DirectWriter.on(fd), undefined);
    assert.equal(fs.fstatSync(fd).size, 0);
    fs.closeSync(fd);
  });

  it('writes the identical bytes, pieces of any size', async () => {
    const file = path.join(directory, 'pieces');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 700_000 }), { maxLength: 8 }),
        fc.integer({ min: 0, max: 5000 }),
        async (lengths, tail) => {
          const all = sample([...lengths, tail].reduce((sum, length) => sum + length, 0));
          const fd = fs.openSync(file, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0o600);
          const writer = DirectWriter.on(fd)!;
          let at = 0;
          for (const length of [...lengths, tail]) {
            await writer.append(all.subarray(at, at + length));
            at += length;
          }
          await writer.finish();
          fs.ftruncateSync(fd, all.length);
          fs.closeSync(fd);
          assert.ok(fs.readFileSync(file).equals(all));
        },
      ),
      { numRuns: 20 },
    );
  });

  it('leaves holes for zero pages', async () => {
    const file = path.join(directory, 'holes');
    const output = new FileOutput(file, { label: file, directIo: true, sync: false });
    assert.equal(output.file, undefined);
    const bytes = Buffer.alloc(4 * 1024 * 1024 + 100);
    bytes.fill(7, 1024 * 1024, 1024 * 1024 + 4096);
    bytes[bytes.length - 1] = 1;
    await output.write(bytes);
    await output.finish();
    assert.ok(fs.readFileSync(file).equals(bytes));
    assert.ok(fs.statSync(file).blocks * 512 < 1024 * 1024);
  });
});

describe('output file without direct I/O', () => {
  it('is written through the page cache with a warning', async (t) => {
    const { openSync } = fs;
    t.mock.method(fs, 'openSync', ((name: string, flags: number, mode: number) => {
      if (typeof flags === 'number' && (flags & O_DIRECT) !== 0) {
        throw Object.assign(new Error('refused'), { code: 'EINVAL' });
      }
      return openSync(name, flags, mode);
    }) as never);
    const warnings: string[] = [];
    const file = path.join(directory, 'cached');
    const onWarning = (text: string): number => warnings.push(text);
    const output = new FileOutput(file, { label: 'cached', directIo: true, onWarning, sync: false });
    await output.write(sample(10_000));
    await output.finish();
    assert.ok(fs.readFileSync(file).equals(sample(10_000)));
    assert.deepEqual(warnings, ['direct I/O does not work on cached: writing through the page cache']);
  });
});
