// Xen streams that no grammar can follow to their end: the remaining bytes arrive unchanged and compressed, with every method, and the
// sender warns with the reason.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

import { NATIVE_MAGIC } from '../../../src/container/native.js';
import { XENGUEST_RECORD } from '../../../src/container/xenguest.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { receive } from '../../../src/transfer/receive.js';
import { send } from '../../../src/transfer/send.js';
import { range, REC, wellFormed, XenStream } from '../../grammar/support/xen-streams.js';
import { workplace } from '../support/carry.js';
import { MemoryPipe, pack, packInto, unpack, WatchedSink, receiving } from '../support/streams-support.js';

const place = workplace();
const METHODS = ['xenguest', 'stream'] as const;
/** Memory that compresses as well as a guest's. */
const memory = (pages: number): Buffer =>
  Buffer.alloc(pages * PAGE_BYTES, 'a guest that no grammar follows, page after page. ');
const guest = (options?: ConstructorParameters<typeof XenStream>[0]): XenStream => new XenStream(options);

/** An xl file of Xen 4.5 or older: libxc's old format behind the xl header, without a libxl stream header. */
function legacy(): Buffer {
  const header = Buffer.from(guest().xlHeader().bytes());
  header.writeUInt32LE(1, 36);
  return Buffer.concat([header, Buffer.alloc(16, 3), memory(100)]);
}

function libxc(options: { version?: number; pageShift?: number }): Buffer {
  const { version = 3, pageShift } = options;
  const head = guest({ version }).image({ type: 2, ...(pageShift === undefined ? {} : { pageShift }) });
  return Buffer.concat([head.bytes(), memory(100), guest().bareEnd().bytes()]);
}

const libxl = (version: number): Buffer => Buffer.concat([guest().libxlHeader(version).bytes(), memory(100)]);

function suspended(behind: Buffer): Buffer {
  return Buffer.concat([wellFormed()['xenopsd with libxl']!.stream.bytes(), behind]);
}

const SAMPLES: Record<string, { bytes: Buffer; because: RegExp }> = {
  'an xl file of the old format': { bytes: legacy(), because: /no libxl stream header/ },
  'libxc of version 4': { bytes: libxc({ version: 4 }), because: /version 4/ },
  'libxc of version 1': { bytes: libxc({ version: 1 }), because: /version 1/ },
  'libxc with other pages': { bytes: libxc({ pageShift: 16 }), because: /page_shift 16/ },
  'libxl of version 3': { bytes: libxl(3), because: /libxl stream version 3/ },
  'libxl around libxc of version 4': {
    bytes: Buffer.concat([guest().libxlHeader().libxcContext().bytes(), libxc({ version: 4 })]),
    because: /libxc stream version 4/,
  },
  'libxl around libxc with other pages': {
    bytes: Buffer.concat([guest().libxlHeader().libxcContext().bytes(), libxc({ pageShift: 16 })]),
    because: /page_shift 16/,
  },
  'a record beyond the limit': {
    bytes: Buffer.concat([
      guest().image({ type: 2 }).pageData(range(0, 2)).bytes(),
      guest().u32(REC.hvmContext, 0x0fff_ffff),
      memory(100),
    ]),
    because: /limit/,
  },
  'a xenopsd image with an unknown record': {
    bytes: Buffer.concat([guest().xenopsdSignature().xenopsdHeader(0x0f10).bytes(), memory(100)]),
    because: /0xf10/,
  },
  "a block device's tail behind a suspend image": {
    bytes: suspended(memory(100)),
    because: /behind the end/,
  },
};

describe('Xen stream that no grammar follows', { timeout: 300_000 }, () => {
  for (const [name, { bytes, because }] of Object.entries(SAMPLES)) {
    for (const method of name.startsWith('libxl around') ? METHODS : METHODS.slice(0, 1)) {
      it(`arrives compressed, with a warning, method ${method}: ${name}`, async () => {
        const warnings: string[] = [];
        const [packed, output] = [place.path('packed'), place.path('restored')];
        const summary = await send({
          input: place.file('input', bytes),
          output: packed,
          method,
          compressThreads: 1,
          onWarning: (text) => void warnings.push(text),
        });
        const small = readFileSync(packed);
        assert.ok(small.length < bytes.length / 10, `${small.length} of ${bytes.length} bytes`);
        await receive({ input: packed, output, decompressThreads: 1 });
        assert.ok(readFileSync(output).equals(bytes));
        assert.ok(
          warnings.some((text) => because.test(text)),
          warnings.join('; '),
        );
        if (!/tail/.test(name)) assert.match(summary.opaqueBecause ?? '', because);
      });
    }

    if (/version [14]$|page|tail/.test(name))
      it(`is restored in any pieces: ${name}`, async () => {
        const packed = await pack(bytes, { codec: 'lz4', piece: 777 });
        const restored = await unpack(packed, { piece: 1 });
        assert.ok(restored.verified && restored.bytes.equals(bytes));
      });
  }

  it('uses the native container, unknown headers', async () => {
    const packed = place.path('packed');
    await send({ input: place.file('input', libxc({ version: 4 })), output: packed, compressThreads: 1 });
    assert.ok(readFileSync(packed).subarray(0, 8).equals(NATIVE_MAGIC));
  });

  it('is sent uncompressed, version 1 of the method', async () => {
    const bytes = suspended(memory(10));
    const packed = await pack(bytes, { kind: 'xenopsd', xenguestVersion: 1 });
    assert.ok(packed.includes(memory(10)));
    assert.ok((await unpack(packed)).bytes.equals(bytes));
  });

  it('is rejected, record damaged, lost or added', async () => {
    const bytes = legacy();
    const packed = await pack(bytes, { codec: 'lz4' });
    const type = Buffer.alloc(4);
    type.writeUInt32LE(XENGUEST_RECORD.bytes);
    const at = packed.indexOf(type);
    const length = 8 + packed.readUInt32LE(at + 4);
    const damaged = Buffer.from(packed);
    damaged[at + 60]! ^= 1;
    const lost = Buffer.concat([packed.subarray(0, at), packed.subarray(at + length)]);
    const doubled = Buffer.concat([packed.subarray(0, at + length), packed.subarray(at)]);
    const followed = Buffer.concat([packed, Buffer.from('x')]);
    for (const wrong of [damaged, lost, doubled, followed, packed.subarray(0, -72), packed.subarray(0, -1)]) {
      await assert.rejects(unpack(wrong), /ERR_STREAM|RamferryError/);
    }
  });
});

describe('record that begins as COMPRESSED_BYTES', () => {
  it('is rejected, impossible length', { timeout: 20_000 }, async () => {
    const header = guest().u32(XENGUEST_RECORD.bytes, 0xfff0_0000);
    for (const stream of [guest().xlHeader(), guest().libxlHeader().libxcContext()]) {
      const bytes = Buffer.concat([stream.bytes(), header, memory(1)]);
      await assert.rejects(unpack(bytes), { code: 'ERR_STREAM_TRUNCATED' });
    }
  });
});

describe('record of an unknown type', () => {
  it('is compressed and keeps its position, large record', async () => {
    const body = memory(20);
    const bytes = guest()
      .image({ type: 2 })
      .record(REC.unknownMandatory, body)
      .record(REC.unknownOptional, Buffer.alloc(40, 1))
      .end()
      .bytes();
    for (const xenguestVersion of [1, 2] as const) {
      const packed = await pack(bytes, { codec: 'lz4', xenguestVersion });
      assert.ok(packed.length < 3000);
      assert.ok((await unpack(packed)).bytes.equals(bytes));
    }
  });
});

describe('bytes after the end of a wrapping', () => {
  it('are delivered at once, any length, compressed or not', { timeout: 60_000 }, async () => {
    const { stream, kind } = wellFormed()['xl']!;
    const start = stream.bytes();
    for (const xenguestVersion of [1, 2] as const) {
      const [input, link] = [new MemoryPipe(), new MemoryPipe()];
      const output = new WatchedSink();
      const sending = packInto(link, input, kind, { codec: 'lz4', flushAfter: 5, xenguestVersion });
      const run = receiving(link, output, kind).run();
      let length = start.length;
      await input.write(start);
      await output.holds(length);
      for (const word of ['I', 'IRM', 'domain is yours, you are cleared to unpause']) {
        await input.write(Buffer.from(word));
        await output.holds((length += word.length));
      }
      await input.finish();
      await sending;
      await link.finish();
      assert.equal((await run).bytes, length);
    }
  });
});
