// Files with mapped-ram pages, as QEMU and libvirt save them: holes are not read, the stream is the same as without holes, and the
// restored file is as sparse as the first one.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { decompress } from '@mongodb-js/zstd';

import { GOLDEN_QEMU } from '../../../lab/places.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { receive } from '../../../src/transfer/receive.js';
import { send } from '../../../src/transfer/send.js';
import type { TransferSummary } from '../../../src/transfer/statistics/summary.js';
import { MIB } from '../../../src/units.js';
import { noise } from '../../codec/support.js';
import { mappedRam } from '../../grammar/support/qemu-streams.js';
import { type SendExtras, workplace } from '../support/carry.js';

const place = workplace();
/** Options without adaptive mode, so that the stream does not depend on time. */
const FIXED = { compressThreads: 2, chunkSize: 65_536, codec: 'zstd', compressLevel: 1 } as const;
const RECORDED = join(GOLDEN_QEMU, '11-s390x-mapped-ram.mig.zst');
const ZEROS = Buffer.alloc(PAGE_BYTES);

/** Bytes that this process has read so far, with any system call. */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(fs.readFileSync('/proc/self/io', 'utf8'))![1]);
}

const diskBytes = (path: string): number => fs.statSync(path).blocks * 512;

/** A file with a hole for each zero page. */
function makeSparse(bytes: Buffer): string {
  const name = place.path('sparse');
  const fd = fs.openSync(name, 'w');
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    const page = bytes.subarray(at, at + PAGE_BYTES);
    if (!page.equals(ZEROS)) fs.writeSync(fd, page, 0, page.length, at);
  }
  fs.ftruncateSync(fd, bytes.length);
  fs.closeSync(fd);
  return name;
}

/** A sparse save image of libvirt with a block of 12 MiB that is not a multiple of a chunk; data in two places of it. */
function libvirtImage(): Buffer {
  const header = Buffer.alloc(100);
  header.write('LibvirtQemudSave', 'latin1');
  [2, 8, 1, 6].forEach((value, i) => header.writeUInt32LE(value, 16 + 4 * i));
  const blocks = [
    { name: 'pc.ram', pages: 3079 },
    { name: 'pc.bios', pages: 3 },
  ];
  const bytes = Buffer.concat([header, mappedRam(blocks).bytes]);
  bytes.fill(0, MIB, MIB + 3079 * PAGE_BYTES);
  bytes.set(noise(90_000), MIB + 5 * PAGE_BYTES);
  bytes.set(noise(PAGE_BYTES, 7), MIB + 2000 * PAGE_BYTES);
  return bytes;
}

async function sent(input: string, extras: SendExtras = {}): Promise<{ bytes: Buffer; read: number }> {
  const output = place.path('sent');
  const before = bytesRead();
  await send({ input, output, ...FIXED, ...extras });
  const read = bytesRead() - before;
  return { bytes: fs.readFileSync(output), read };
}

async function restored(stream: Buffer): Promise<{ output: string; summary: TransferSummary }> {
  const output = place.path('restored');
  const summary = await receive({ input: place.file('stream', stream), output });
  return { output, summary };
}

async function readsNoHole(t: TestContext, image: Buffer): Promise<void> {
  const input = makeSparse(image);
  const used = diskBytes(input);
  if (used > 2 * MIB) {
    t.skip('the file system of the temporary directory keeps no holes');
    return;
  }
  const { bytes, read } = await sent(input);
  assert.ok(read < 2 * MIB, `${read} bytes of ${image.length} were read`);
  const { output, summary } = await restored(bytes);
  assert.ok(diskBytes(output) <= used, `${diskBytes(output)} bytes of the disk instead of ${used}`);
  assert.ok(summary.pages.zero > 3000);
  assert.ok(fs.readFileSync(output).equals(image));
}

describe('send of a mapped-ram file', () => {
  for (const extras of [
    {},
    { selfCheck: true },
    { chunkSize: MIB },
    { method: 'stream' },
    { directIo: true },
  ] as const satisfies readonly SendExtras[]) {
    it(`writes the same stream with and without holes, ${JSON.stringify(extras)}`, async () => {
      const image = libvirtImage();
      const sparse = await sent(makeSparse(image), extras);
      const dense = await sent(place.file('dense', image), extras);
      assert.ok(sparse.bytes.equals(dense.bytes));
      const { output } = await restored(sparse.bytes);
      assert.ok(fs.readFileSync(output).equals(image));
    });
  }

  for (const [what, image] of [
    ['an image of libvirt', () => Promise.resolve(libvirtImage())],
    ['a file of QEMU 11', () => decompress(fs.readFileSync(RECORDED))],
  ] as const) {
    it(`reads no hole of a chunk or more, and restores each hole: ${what}`, async (t) => {
      await readsNoHole(t, await image());
    });
  }
});
