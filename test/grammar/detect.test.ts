// Recognition of a stream by its first bytes, with as few reads as possible, and what each side does with each kind.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RamferryError } from '../../src/errors.js';
import {
  Detector,
  containerOf,
  grammarFor,
  isCompressed,
  type StreamKind,
} from '../../src/grammar/detect.js';
import { STREAM_FORMATS } from '../../src/grammar/formats.js';

/** The magics, taken from the formats' specifications independently of the source. */
const MAGICS: [StreamKind, string][] = [
  ['libxc', 'ffffffffffffffff58454e46'],
  ['libxl', '4c6962786c466d74'],
  ['xl', Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1').toString('hex')],
  ['xenopsd', Buffer.from('XenSavedDomv2-\n', 'latin1').toString('hex')],
  ['qemu', '5145564d'],
  ['libvirt', Buffer.from('LibvirtQemudSave').toString('hex')],
  ['libvirt', Buffer.from('LibvirtQemudPart').toString('hex')],
  ['native', '895246590d0a1a0a'],
  ['zstd', '28b52ffd'],
  ['zstd', '502a4d18'],
  ['zstd', '5f2a4d18'],
  ['lz4', '04224d18'],
  ['lz4-legacy', '02214c18'],
  ['gzip', '1f8b08'],
];

/** Feeds byte by byte. @returns the decision, and after how many bytes it came */
function slowly(bytes: Uint8Array, fileSize?: number): { kind: StreamKind; after: number } {
  const detector = new Detector(fileSize);
  for (let i = 0; i < bytes.length; i++) {
    const kind = detector.feed(bytes.subarray(i, i + 1));
    if (kind !== undefined) return { kind, after: i + 1 };
  }
  return { kind: detector.end(), after: bytes.length };
}

describe('Detector', () => {
  for (const [kind, hex] of MAGICS) {
    const magic = Buffer.from(hex, 'hex');

    it(`recognises ${kind} at the last byte of ${hex}`, () => {
      const bytes = Buffer.concat([magic, Buffer.alloc(100, 7)]);
      assert.deepEqual(slowly(bytes), { kind, after: magic.length });
      assert.equal(new Detector().feed(bytes), kind);
    });

    it(`rejects ${kind} at once when the last byte of ${hex} differs`, () => {
      const bytes = Buffer.from(magic);
      bytes[bytes.length - 1]! ^= 0x80;
      assert.deepEqual(slowly(bytes), { kind: 'opaque', after: magic.length });
      assert.deepEqual(slowly(bytes, 8192), { kind: 'raw', after: magic.length });
    });

    it(`recognises nothing when the stream ends within ${hex}`, () => {
      assert.deepEqual(slowly(magic.subarray(0, -1)), { kind: 'opaque', after: magic.length - 1 });
    });
  }

  it('asks for no more bytes than it needs', () => {
    for (const [kind, hex] of MAGICS) {
      const magic = Buffer.from(hex, 'hex');
      const detector = new Detector();
      let at = 0;
      while (detector.wanted > 0) {
        const n = detector.wanted;
        assert.ok(at + n <= magic.length, `reads beyond the magic of ${kind}`);
        detector.feed(magic.subarray(at, at + n));
        at += n;
      }
      assert.equal(detector.end(), kind);
      assert.equal(detector.wanted, 0);
    }
  });

  it('decides at the first byte that matches no magic', () => {
    assert.deepEqual(slowly(Buffer.alloc(10)), { kind: 'opaque', after: 1 });
    assert.deepEqual(slowly(Buffer.alloc(10), 4096), { kind: 'raw', after: 1 });
  });

  it('recognises a RAM image only in a file with one or more whole pages', () => {
    assert.equal(slowly(Buffer.alloc(1), 4097).kind, 'opaque');
    assert.equal(slowly(Buffer.alloc(0), 0).kind, 'opaque');
    assert.equal(slowly(Buffer.alloc(1), 268_435_456).kind, 'raw');
    assert.equal(slowly(Buffer.from('QEVM'), 8192).kind, 'qemu');
  });

  it('decides the same in any split, and keeps the decision', () => {
    const starts = fc.constantFrom(...MAGICS.map(([, hex]) => Buffer.from(hex, 'hex')));
    fc.assert(
      fc.property(
        starts,
        fc.nat(40),
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        (magic, cut, tail, n) => {
          const bytes = Buffer.concat([magic.subarray(0, cut), tail]);
          const detector = new Detector();
          for (let at = 0; at < bytes.length; at += n) detector.feed(bytes.subarray(at, at + n));
          assert.equal(detector.end(), slowly(bytes).kind);
          assert.equal(detector.feed(Buffer.from('QEVM')), detector.end());
        },
      ),
    );
  });
});

describe('grammarFor and containerOf', () => {
  it('have a grammar for each format', () => {
    const names = STREAM_FORMATS.map((format) => grammarFor(format).name);
    assert.deepEqual(names, ['raw', 'libxc', 'libxc', 'libxc', 'libxc', 'qemu', 'qemu', 'opaque']);
  });

  for (const [kind, named] of [
    ['native', /ramferry/],
    ['zstd', /Zstandard/],
    ['lz4', /LZ4/],
    ['lz4-legacy', /LZ4 legacy/],
    ['gzip', /gzip/],
  ] as const) {
    it(`refuse to compress ${kind} again, with its name`, () => {
      assert.ok(isCompressed(kind));
      assert.throws(
        () => grammarFor(kind),
        (error: unknown) =>
          error instanceof RamferryError &&
          error.code === 'ERR_ALREADY_COMPRESSED' &&
          named.test(error.message) &&
          error.hint?.includes('--format raw') === true,
      );
    });
  }

  it('give the container that wrote each kind', () => {
    const kinds: [StreamKind, string][] = [
      ['native', 'native'],
      ['zstd', 'frames'],
      ['lz4', 'frames'],
      ['lz4-legacy', 'frames'],
      ['gzip', 'frames'],
      ['libxc', 'xen'],
      ['libxl', 'xen'],
      ['xl', 'xen'],
      ['xenopsd', 'xen'],
      ['raw', 'plain'],
      ['qemu', 'plain'],
      ['libvirt', 'plain'],
      ['opaque', 'plain'],
    ];
    for (const [kind, container] of kinds) assert.equal(containerOf(kind), container);
  });
});
