// The binding over the system's libzstd: which versions it takes, its errors, a missing library, and memory that ends with its thread.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { bindingInfo, openZstd } from '../../src/codec/registry.js';
import { refusalOf, ZSTD_ERROR, ZstdError, zstdLibrary } from '../../src/codec/zstd-library.js';
import { loadForeignLibrary } from '../../src/os/foreign.js';
import { MIB } from '../../src/units.js';
import { memoryLike, noise, roomFor, zstdBindings } from './support.js';

const skip = !zstdBindings.some(([binding]) => binding === 'libzstd') && 'this machine has no libzstd';

describe('versions of libzstd', () => {
  it('refuses those before 1.4.8, and 1.5.0', () => {
    for (const old of [10304, 10400, 10407]) assert.match(refusalOf(old) ?? '', /1\.4\.8 or later/);
    assert.match(refusalOf(10500) ?? '', /damage/);
    for (const good of [10408, 10410, 10501, 10504, 10507]) assert.equal(refusalOf(good), undefined);
  });

  it('turns the block splitter off where it is unsound', { skip }, () => {
    const { version, splitterUnsound } = zstdLibrary();
    assert.equal(splitterUnsound, /^1\.5\.[1-4]$/.test(version), version);
  });
});

describe('a missing library', () => {
  it('is an error with the name, without a path', { skip }, () => {
    assert.throws(
      () => loadForeignLibrary('libzstd-of-no-system.so.1', 'ZSTD_versionNumber'),
      /libzstd-of-no-system/,
    );
  });
});

describe('zstd by libzstd', { skip }, () => {
  it('names library and version', () => {
    const { version, library } = bindingInfo('zstd', { binding: 'libzstd' });
    assert.equal(version, library);
    assert.equal(library, zstdLibrary().version);
  });

  it("has libzstd's text and code in its errors", () => {
    const { functions, result } = zstdLibrary();
    const memory = new Uint8Array(new ArrayBuffer(MIB));
    const encoder = functions.ZSTD_initStaticCCtx(memory, memory.length);
    const [room, data] = [new Uint8Array(4), noise(1000)];
    assert.throws(
      () => result(functions.ZSTD_compress2(encoder, room, room.length, data, data.length)),
      (thrown) => {
        assert.ok(thrown instanceof ZstdError);
        assert.match(thrown.message, /too small/);
        return thrown.code === ZSTD_ERROR.destination;
      },
    );
  });

  it('encodes at every level after any other, with and without long-distance matching', () => {
    const data = memoryLike(600_000);
    for (const longDistance of [false, true]) {
      const codec = openZstd({ binding: 'libzstd', longDistance });
      for (const level of [1, 19, -50, 9, 2, 16, 1, 12, 13, 5]) {
        const room = roomFor(data.length);
        const length = codec.compress(room, data, level) as number;
        assert.ok(length > 0, `level ${level}`);
        const back = new Uint8Array(data.length);
        void codec.decompress(back, room.subarray(0, length));
        assert.equal(Buffer.compare(back, data), 0, `level ${level}`);
      }
      codec.close();
    }
  });

  it('leaves no memory behind when threads are terminated', async () => {
    const registry = new URL('../../src/codec/registry.js', import.meta.url).href;
    // Level 12 on 1 MiB takes 12 MiB, all of it touched; a decoder 94 KiB.
    const program = `
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(registry)}).then(({ openZstd }) => {
        const codec = openZstd({ binding: 'libzstd' });
        globalThis.kept = codec;
        const data = Buffer.alloc(1 << 20);
        for (let i = 0; i < data.length; i += 4) data.writeInt32LE(Math.imul(i, 2654435761) >> (i & 7), i);
        for (let i = 0; i < 2; i++) codec.compress(Buffer.alloc(2 << 20), data, 12);
        parentPort.postMessage('done');
        setInterval(() => undefined, 1000);
      });`;
    const once = async (): Promise<void> => {
      const worker = new Worker(program, { eval: true });
      await new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      await worker.terminate();
    };
    for (let i = 0; i < 4; i += 1) await once();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 16; i += 1) await once();
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 64 * MIB, `${Math.round(grown / MIB)} MiB grown`);
  });
});
