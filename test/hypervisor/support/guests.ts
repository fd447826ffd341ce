// libxc streams for the stand-ins: small ones from the grammar's tests, larger ones that compress like guests, and the real
// one where it is available.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { decompress } from '@mongodb-js/zstd';
import { recordingPath } from '../../../lab/places.js';
import { LIBXC_MAGIC } from '../../../src/grammar/xen/libxc-format.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { random, REC, XenStream } from '../../grammar/support/xen-streams.js';

const PAGES_A_RECORD = 1024;

/** A page as in a guest: zero, text, or hardly compressible. */
function fill(page: Buffer, number: number, kind: number): void {
  if (kind < 3) return;
  if (kind < 8) {
    page.fill(`page ${number} of a process that repeats itself, line ${kind}\n`);
    page.writeUInt32LE(number, 0);
  } else {
    for (let at = 0; at < PAGE_BYTES; at += 32)
      createHash('sha256').update(`${number}/${at}`).digest().copy(page, at);
  }
}

/** A live migration of a guest of so many MiB: a full round, a small one, the vcpu's records, END. */
export function guestStream(mib: number, seed = 1): Buffer {
  const stream = new XenStream({ seed });
  const next = random(seed);
  stream.image({ type: 2 }).record(REC.cpuidPolicy, stream.noise(48)).record(REC.staticDataEnd);
  const parts = [stream.bytes()];
  const total = mib * 256;
  const record = (first: number, count: number): void => {
    const body = Buffer.alloc(8 + 8 * count + PAGE_BYTES * count);
    body.writeUInt32LE(count, 0);
    for (let i = 0; i < count; i++) {
      body.writeBigUInt64LE(BigInt(first + i), 8 + 8 * i);
      const at = 8 + 8 * count + PAGE_BYTES * i;
      fill(body.subarray(at, at + PAGE_BYTES), first + i, next() % 9);
    }
    parts.push(stream.u32(REC.pageData, body.length), body);
  };
  for (let first = 0; first < total; first += PAGES_A_RECORD)
    record(first, Math.min(PAGES_A_RECORD, total - first));
  record(5, Math.min(40, total - 5));
  const tail = new XenStream({ seed: seed + 1 });
  tail.record(REC.tscInfo, tail.noise(24)).record(REC.hvmContext, tail.noise(2500)).end();
  return Buffer.concat([...parts, tail.bytes()]);
}

/** Hardly compressible pages, sent twice; the second time with one cache line changed. */
export function resentStream(pages: number): Buffer {
  const stream = new XenStream().image({ type: 2 }).record(REC.staticDataEnd);
  const contents = Buffer.alloc(pages * PAGE_BYTES);
  for (let page = 0; page < pages; page++)
    fill(contents.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), page, 8);
  const parts = [stream.bytes()];
  for (let round = 0; round < 3; round++) {
    for (let page = 0; page < pages; page++)
      contents.fill(round, page * PAGE_BYTES + 640, page * PAGE_BYTES + 704);
    const body = Buffer.alloc(8 + 8 * pages);
    body.writeUInt32LE(pages, 0);
    for (let page = 0; page < pages; page++) body.writeBigUInt64LE(BigInt(page), 8 + 8 * page);
    parts.push(stream.u32(REC.pageData, body.length + contents.length), body, Buffer.from(contents));
  }
  parts.push(new XenStream({ seed: 3 }).record(REC.hvmContext, stream.noise(250)).end().bytes());
  return Buffer.concat(parts);
}

/** A stream with records that only a newer xenguest knows. */
export function newerStream(): Buffer {
  const stream = new XenStream().image({ type: 2 }).record(REC.staticDataEnd);
  stream.record(0x00000042, stream.noise(70_001)).record(0x80000042, stream.noise(77));
  return stream.record(REC.hvmContext, stream.noise(250)).end().bytes();
}

const FILE = recordingPath('pv-dirty-live.xlsave.zst');
/** The end of the real stream; see test/grammar/xen/libxc-real.test.ts. */
const REAL_END = 181_566_516;

export const realSkip = existsSync(FILE)
  ? false
  : 'real data is not at hand (shared/data/pv-dirty-live.xlsave.zst)';

/** The libxc part of a real `xl migrate`. */
export async function realStream(): Promise<Buffer> {
  const file = await decompress(readFileSync(FILE));
  return file.subarray(file.indexOf(LIBXC_MAGIC), REAL_END);
}
