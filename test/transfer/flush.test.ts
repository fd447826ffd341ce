// A stalled writer: its bytes arrive during the stall, although no chunk is full and the input has not ended.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { StreamKind } from '../../src/grammar/detect.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { postcopy, precopy } from '../grammar/support/qemu-streams.js';
import { range, REC, XenStream } from '../grammar/support/xen-streams.js';
import { smallXlStream } from './support/streams-corpus.js';
import { within } from '../../lab/within.js';
import {
  detect,
  MemoryPipe,
  packInto,
  type PackOptions,
  receiving,
  WatchedSink,
} from './support/streams-support.js';

const FLUSH_AFTER = 5;

/** Sends `bytes`, and stops at each of these positions until the reader has all bytes before it. */
async function stalls(
  bytes: Buffer,
  kind: StreamKind,
  places: readonly number[],
  options: PackOptions,
): Promise<void> {
  const input = new MemoryPipe();
  const link = new MemoryPipe();
  const output = new WatchedSink();
  const sending = packInto(link, input, kind, { ...options, flushAfter: FLUSH_AFTER }).then(() =>
    link.finish(),
  );
  const received = (async () => {
    // Recognises the format by the first bytes, as `receive` does.
    const head = Buffer.alloc(12);
    for (let got = 0; got < head.length;) {
      const n = await link.read(head.subarray(got));
      if (n === 0) break;
      got += n;
    }
    const rest = new MemoryPipe();
    await rest.write(head);
    void (async () => {
      const piece = Buffer.alloc(65_536);
      for (let n = await link.read(piece); n > 0; n = await link.read(piece))
        await rest.write(piece.subarray(0, n));
      await rest.finish();
    })().catch(() => rest.close());
    return receiving(rest, output, kind === 'xl' ? 'xl' : detect(head)).run();
  })();
  const letGo = (): void => {
    for (const pipe of [input, link]) void pipe.close();
  };
  let at = 0;
  for (const place of [...places, bytes.length]) {
    await input.write(bytes.subarray(at, place));
    at = place;
    await within(`byte ${place} of ${bytes.length}`, output.holds(place), letGo);
    assert.ok(output.bytes.equals(bytes.subarray(0, place)));
  }
  await input.finish();
  await within('the end of sending', sending, letGo);
  assert.ok((await within('the end of receiving', received, letGo)).verified);
  assert.ok(output.bytes.equals(bytes));
}

describe('flush, stalled writer', { timeout: 60_000 }, () => {
  const text = Buffer.from('a question, and then nothing until the answer has come; '.repeat(200));
  const anywhere = [1, 2, 57, 4095, 4096, 4097, 9000];

  it('delivers all bytes, opaque input stalls anywhere', async () => {
    for (const options of [{}, { method: 'stream' }, { method: 'stream', codec: 'lz4' }] as const) {
      await stalls(text, 'opaque', anywhere, options);
    }
  });

  it('delivers all bytes, QEMU stream stalls anywhere', async () => {
    for (const { bytes } of [precopy(), postcopy()]) {
      for (const method of ['xenguest', 'stream'] as const) {
        await stalls(bytes, 'qemu', [5, 8, 100, 101, 5000, 9001, bytes.length - 3], { method });
      }
    }
  });

  it('delivers all bytes, Xen stream stalls anywhere, method stream', async () => {
    const bytes = new XenStream().pvGuest().bytes();
    await stalls(bytes, 'libxc', [13, 30, 44, 47, 300, 5001, 9001], { method: 'stream' });
  });

  it('delivers all bytes, Xen stream stalls between records and pages, method xenguest', async () => {
    for (const bigEndian of [false, true]) {
      const stream = new XenStream({ bigEndian }).image().record(REC.pvInfo, Buffer.alloc(8));
      const places = [40, stream.length];
      const start = stream.length + 8 + 8 + 3 * 8;
      stream.pageData(range(0, 3));
      places.push(start, start + PAGE_BYTES, start + 2 * PAGE_BYTES, stream.length);
      stream.record(REC.hvmContext, Buffer.alloc(100, 1));
      places.push(stream.length - 104, stream.length - 50, stream.length);
      await stalls(stream.end().bytes(), 'libxc', places, {});
    }
  });

  it('delivers the pages before, Xen stream stalls inside a page', async () => {
    const stream = new XenStream().image().pageData(range(0, 3)).end();
    const bytes = stream.bytes();
    const first = 40 + 8 + 8 + 3 * 8;
    const input = new MemoryPipe();
    const link = new WatchedSink();
    const sending = packInto(link, input, 'libxc', { codec: 'none', flushAfter: FLUSH_AFTER });
    await input.write(bytes.subarray(0, first + PAGE_BYTES + 100));
    await within('the first page', link.holds(first + PAGE_BYTES), () => void input.close());
    await input.write(bytes.subarray(first + PAGE_BYTES + 100));
    await input.finish();
    await sending;
  });

  it('delivers all bytes, input stalls in a wrapping', async () => {
    const bytes = smallXlStream();
    await stalls(bytes, 'xl', [51, 67, 75, bytes.length - 40, bytes.length - 8], {});
  });
});
