// Damage that hides the compressed form: a burst of zeros anywhere in a compressed libxc stream never leads to success with other bytes.
// The compressed form is announced twice, and no saver ends a stream without the domain's records.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { MARK_RECORD_BYTES, markRecord } from '../../../src/container/xenguest-mark.js';
import { XENGUEST_RECORD } from '../../../src/container/xenguest.js';
import { RamferryError } from '../../../src/errors.js';
import { IMAGE_HEADER_BYTES, LIBXC_RECORD } from '../../../src/grammar/xen/libxc-format.js';
import type { Hello } from '../../../src/control/negotiation.js';
import { PAGE_BYTES } from '../../../src/page/size.js';
import { chooseContainer } from '../../../src/transfer/plan/container.js';
import { planRestore } from '../../../src/transfer/plan/receive-plan.js';
import { receiverHello } from '../../../src/transfer/plan/receiver-hello.js';
import { inspectXen } from '../../../src/transfer/inspect/xen.js';
import type { XenKind } from '../../../src/grammar/xen/wrapping.js';
import { Xorshift32 } from '../../../lab/random.js';
import { range, REC, XenStream } from '../../grammar/support/xen-streams.js';
import {
  detect,
  failsWith,
  pack,
  packInto,
  PiecewiseSource,
  unpack,
  CollectingSink,
} from '../support/streams-support.js';

const HEADERS = IMAGE_HEADER_BYTES + 16;

/** A PV guest with a few pages in several chunks. */
function pv(): Buffer {
  const stream = new XenStream().image().record(REC.pvInfo, Buffer.alloc(8, 1)).record(REC.staticDataEnd);
  stream.record(REC.p2mFrames, Buffer.alloc(24, 2)).pageData(range(0, 30)).pageData(range(3, 2));
  stream.record(REC.tscInfo, Buffer.alloc(24, 3)).record(REC.sharedInfo, Buffer.alloc(PAGE_BYTES, 4));
  return stream
    .record(REC.vcpuBasic, Buffer.alloc(516, 5))
    .record(REC.vcpuExtended, Buffer.alloc(72, 6))
    .end()
    .bytes();
}

const wrapped = (): Buffer =>
  Buffer.concat([
    new XenStream().xlHeader().libxlHeader().libxcContext().bytes(),
    pv(),
    new XenStream().record(3, Buffer.alloc(21, 1)).libxlEnd().bytes(),
  ]);

function zeroed(packed: Buffer, at: number, length: number): Buffer {
  const damaged = Buffer.from(packed);
  return damaged.fill(0, at, Math.min(damaged.length, at + length));
}

/** Asserts that the parse of a damaged stream ends with a typed error. Compares checksums and decodes nothing. */
async function refused(damaged: Buffer, packed: Buffer, what: string): Promise<void> {
  const kind = detect(damaged);
  if (kind !== detect(packed)) return; // no receiver is made for another kind
  try {
    await inspectXen(new PiecewiseSource(damaged), Buffer.alloc(0), kind as XenKind);
  } catch (thrown) {
    assert.ok(
      thrown instanceof RamferryError && thrown.code.startsWith('ERR_STREAM_'),
      `${what}: ${String(thrown)}`,
    );
    return;
  }
  assert.ok(damaged.equals(packed), `${what} were not detected`);
}

describe('receiver, burst of zeros in a compressed libxc stream', { timeout: 300_000 }, () => {
  for (const [name, original] of [
    ['bare', pv()],
    ['in an xl file', wrapped()],
  ] as const) {
    it(`detects it at any position: ${name}`, async () => {
      const packed = await pack(original, { codec: 'lz4' });
      const random = new Xorshift32(7);
      for (let at = 0; at < packed.length; at += at < 1100 || at > packed.length - 300 ? 1 : 97) {
        await refused(zeroed(packed, at, 8), packed, `8 zeros at ${at}`);
      }
      for (let times = 0; times < 400; times++) {
        const [at, length] = [random.below(packed.length), 1 + random.below(300)];
        await refused(zeroed(packed, at, length), packed, `${length} zeros at ${at}`);
      }
    });

    it(`fails or delivers the same bytes: ${name}`, async () => {
      const packed = await pack(original, { codec: 'lz4' });
      for (const at of [16, 32, 40, 48, 72, 110, 1000, packed.length - 80, packed.length - 16]) {
        const damaged = zeroed(packed, at, 8);
        if (detect(damaged) !== detect(packed)) continue;
        const bytes = await unpack(damaged).then(
          (restored) => restored.bytes,
          (thrown: unknown) => {
            assert.ok(thrown instanceof RamferryError, String(thrown));
            return undefined;
          },
        );
        if (bytes !== undefined) assert.ok(bytes.equals(original), `8 zeros at ${at}`);
      }
    });
  }

  it('detects it in the record behind the headers, which becomes an END, with and without marks', async () => {
    for (const version of [1, 2] as const) {
      const packed = await pack(pv(), { codec: 'lz4', xenguestVersion: version });
      for (const length of [8, 16, 40]) {
        const damaged = Buffer.from(packed);
        damaged.fill(0, HEADERS, HEADERS + length);
        await failsWith(unpack(damaged), 'ERR_STREAM_FORMAT');
      }
    }
  });
});

describe('marks of a compressed libxc stream', () => {
  it('are in the image header and behind the domain header, and are not delivered', async () => {
    const original = pv();
    const packed = await pack(original, { codec: 'lz4' });
    assert.equal(packed[16], 0x80);
    assert.equal(packed.readUInt32LE(HEADERS), XENGUEST_RECORD.mark);
    const { bytes, verified } = await unpack(packed);
    assert.ok(verified && bytes.equals(original));
  });

  it('are rejected with ERR_STREAM_FORMAT, one without the other', async () => {
    const packed = await pack(pv(), { codec: 'lz4' });
    const withoutBit = Buffer.from(packed);
    withoutBit[16] = 0;
    await failsWith(unpack(withoutBit), 'ERR_STREAM_FORMAT');
    const after = packed.subarray(HEADERS + MARK_RECORD_BYTES);
    await failsWith(unpack(Buffer.concat([packed.subarray(0, HEADERS), after])), 'ERR_STREAM_FORMAT');
    const twice = Buffer.concat([packed.subarray(0, HEADERS + MARK_RECORD_BYTES), packed.subarray(HEADERS)]);
    await failsWith(unpack(twice), 'ERR_STREAM_FORMAT');
  });

  it('require totals, no chunk in the stream', async () => {
    const original = pv();
    const packed = await pack(original, { codec: 'lz4' });
    const marks = packed.subarray(0, HEADERS + MARK_RECORD_BYTES);
    await failsWith(unpack(Buffer.concat([marks, original.subarray(HEADERS)])), 'ERR_STREAM_TOTALS');
  });

  it('must announce the same limits as every chunk', async () => {
    const packed = await pack(pv(), { codec: 'lz4' });
    markRecord({ envelope: { maxChunk: 4096, storeBytes: 0 }, followsEnd: false }, false).copy(
      packed,
      HEADERS,
    );
    await failsWith(unpack(packed), 'ERR_STREAM_FORMAT');
  });

  it('are absent in version 1, which is restored as well', async () => {
    for (const original of [pv(), wrapped()]) {
      const packed = await pack(original, { codec: 'lz4', xenguestVersion: 1 });
      assert.ok(!packed.includes(Buffer.from('4852ff7f', 'hex')));
      const { bytes, verified } = await unpack(packed, { piece: 1 });
      assert.ok(verified && bytes.equals(original));
    }
  });

  it('show that a stream is compressed already, cut anywhere', async () => {
    const packed = await pack(pv(), { codec: 'lz4' });
    for (const end of [IMAGE_HEADER_BYTES, HEADERS, HEADERS + MARK_RECORD_BYTES]) {
      await failsWith(pack(packed.subarray(0, end), { codec: 'lz4' }), 'ERR_ALREADY_COMPRESSED');
    }
  });
});

describe('version of method xenguest', () => {
  const helloWith = (xenguest?: number[]): Hello => ({
    software: 'ramferry',
    versions: [1],
    codecs: ['zstd'],
    maxChunk: 1 << 24,
    memory: 1 << 28,
    ...(xenguest === undefined ? {} : { xenguest }),
  });

  const versionFor = (xenguestVersion: 1 | 2 | undefined, hello: Hello | undefined) => {
    const container = chooseContainer({
      ...{ method: 'xenguest', codec: 'zstd', grammar: 'libxc' },
      ...{ xenguestVersion, hello },
    });
    return container.kind === 'xenguest' ? container.version : undefined;
  };

  it('is 2, receiver reads version 2 or one-way link', () => {
    assert.equal(versionFor(undefined, helloWith([1, 2])), 2);
    assert.equal(versionFor(undefined, undefined), 2);
  });

  it('is undefined and the container is native, receiver reads no marks', () => {
    assert.equal(versionFor(undefined, helloWith()), undefined);
    assert.equal(versionFor(2, helloWith([1])), undefined);
  });

  it('is 1, option set', () => {
    assert.equal(versionFor(1, helloWith([1, 2])), 1);
    assert.equal(versionFor(1, undefined), 1);
  });

  it('is in the hello of the receiver', () => {
    const { xenguest } = receiverHello(planRestore({ memoryLimit: 1 << 29, decompressThreads: 1 }));
    assert.deepEqual(xenguest, [1, 2]);
  });
});

describe('END without the records that every saver writes', () => {
  const lacking: Record<string, XenStream> = {
    'PAGE_DATA, X86_PV_INFO, X86_PV_P2M_FRAMES, X86_PV_VCPU_BASIC, SHARED_INFO': new XenStream()
      .image()
      .record(REC.staticDataEnd),
    STATIC_DATA_END: new XenStream().image({ type: 2 }).pageData(range(0, 1)).record(REC.hvmContext),
    HVM_CONTEXT: new XenStream().image({ type: 2 }).record(REC.staticDataEnd).pageData(range(0, 1)),
    X86_PV_VCPU_BASIC: new XenStream()
      .image()
      .record(REC.pvInfo)
      .record(REC.staticDataEnd)
      .record(REC.p2mFrames)
      .pageData(range(0, 1))
      .record(REC.sharedInfo),
  };
  for (const [names, stream] of Object.entries(lacking)) {
    const bytes = stream.bareEnd().bytes();

    it(`is refused by the receiver, missing ${names}`, async () => {
      const error = await failsWith(unpack(bytes, { piece: 1 }), 'ERR_STREAM_FORMAT');
      assert.ok(error.message.includes(names), error.message);
    });

    for (const method of ['xenguest', 'stream'] as const) {
      it(`is refused by the sender, which sends no END, method ${method}, missing ${names}`, async () => {
        const sink = new CollectingSink();
        const sending = packInto(sink, new PiecewiseSource(bytes), 'libxc', { method, codec: 'lz4' });
        await failsWith(sending, 'ERR_STREAM_FORMAT');
        await assert.rejects(unpack(sink.bytes));
      });
    }
  }

  it('is refused, at a CHECKPOINT and in a wrapping', async () => {
    const remus = new XenStream().image({ type: 2 }).pageData(range(0, 1)).bareCheckpoint().bytes();
    await failsWith(unpack(remus), 'ERR_STREAM_FORMAT');
    await failsWith(pack(remus), 'ERR_STREAM_FORMAT');
    const xl = new XenStream().libxlHeader().libxcContext().image().bareEnd().libxlEnd().bytes();
    await failsWith(unpack(xl), 'ERR_STREAM_FORMAT');
    await failsWith(pack(xl), 'ERR_STREAM_FORMAT');
  });

  it('is accepted, only optional records missing', async () => {
    const least = [
      new XenStream()
        .image({ type: 2 })
        .record(REC.staticDataEnd)
        .pageData(range(0, 1))
        .record(REC.hvmContext),
      new XenStream({ version: 2 }).image({ type: 2 }).pageData(range(0, 1)).record(REC.hvmContext),
      new XenStream().image({ type: 77 }).record(REC.staticDataEnd).pageData(range(0, 1)),
    ];
    for (const stream of least) {
      const bytes = stream.bareEnd().bytes();
      assert.equal(bytes.readUInt32LE(bytes.length - 8), LIBXC_RECORD.end);
      assert.ok((await unpack(bytes)).bytes.equals(bytes));
      assert.ok((await unpack(await pack(bytes))).bytes.equals(bytes));
    }
  });
});
