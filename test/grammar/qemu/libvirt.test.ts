// libvirt's save images: header, XML and QEMU stream; dense, sparse and cut.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SEEN } from '../../../src/grammar/grammar.js';
import { LibvirtGrammar } from '../../../src/grammar/qemu/libvirt.js';
import { opaqueSegments, precopy, mappedRam } from '../support/qemu-streams.js';
import { Recorder, append, drive, record, type Segment } from '../support/xen-recorder.js';

interface HeaderFields {
  readonly magic?: string;
  readonly version?: number;
  readonly format?: number;
  readonly bigEndian?: boolean;
}

function image(xml: number, rest: Uint8Array, fields: HeaderFields = {}): Buffer {
  const header = Buffer.alloc(92);
  header.write(fields.magic ?? 'LibvirtQemudSave', 'latin1');
  [fields.version ?? 2, xml, 1, fields.format ?? 0].forEach((value, i) => {
    if (fields.bigEndian === true) header.writeUInt32BE(value, 16 + 4 * i);
    else header.writeUInt32LE(value, 16 + 4 * i);
  });
  return Buffer.concat([header, Buffer.alloc(xml, '<domain/>'), rest]);
}

function withHeader(n: number, segments: readonly Segment[]): Segment[] {
  const all: Segment[] = [{ kind: 'skeleton', n }];
  for (const segment of segments) append(all, segment);
  return all;
}

describe('libvirt save images', () => {
  const stream = precopy(1, 2);

  for (const fields of [{}, { magic: 'LibvirtQemudPart' }, { version: 1 }, { bigEndian: true }]) {
    it(`finds the QEMU stream behind header and XML: ${JSON.stringify(fields)}`, () => {
      const bytes = image(70_000, stream.bytes, fields);
      const expected = withHeader(92 + 70_000, stream.expected);
      for (const piece of [1, 7, 65536, Infinity]) {
        assert.deepEqual(record(new LibvirtGrammar(), bytes, piece).segments, expected);
      }
      assert.deepEqual(record(new LibvirtGrammar(), bytes, 5000, 1).segments, expected);
    });
  }

  it('has the name of the inner grammar', () => {
    assert.equal(new LibvirtGrammar().name, 'qemu');
  });

  it('accepts an image without XML', () => {
    const { segments } = record(new LibvirtGrammar(), image(0, stream.bytes), 10);
    assert.deepEqual(segments, withHeader(92, stream.expected));
  });

  for (const [format, name] of [
    [1, /gzip/],
    [3, /xz/],
    [5, /zstd/],
    [77, /format 77/],
  ] as const) {
    it(`makes an image in format ${format} opaque behind the XML, with the reason`, () => {
      const bytes = image(100, Buffer.alloc(20_000, 1), { format });
      const grammar = new LibvirtGrammar();
      const { segments } = record(grammar, bytes, 999);
      const expected = withHeader(192, opaqueSegments(192, bytes.length, 'pages'));
      assert.deepEqual(segments, expected);
      assert.match(grammar.opaqueBecause ?? '', name);
    });
  }

  it('follows a sparse image, whose pages are in the list of blocks', () => {
    const { bytes, expected } = mappedRam();
    const grammar = new LibvirtGrammar();
    const { segments } = record(grammar, image(1000, bytes, { format: 6 }), 70_000);
    assert.deepEqual(segments, withHeader(1092, expected));
    assert.equal(grammar.opaqueBecause, undefined);
    assert.deepEqual(grammar.end(), SEEN);
  });

  for (const [what, bytes] of [
    ['another magic', image(0, stream.bytes, { magic: 'LibvirtQemudXave' })],
    ['an unknown version', image(0, stream.bytes, { version: 3 })],
    ['more XML than the limit', image(0, stream.bytes).fill(0xff, 20, 24)],
  ] as const) {
    it(`rejects a header with ${what}`, () => {
      const grammar = new LibvirtGrammar();
      const { segments } = record(grammar, bytes, 50);
      assert.deepEqual(segments, opaqueSegments(0, bytes.length, 'pages'));
      assert.match(grammar.opaqueBecause ?? '', /unknown form/);
    });
  }

  it('covers an image cut at any byte, in any split', () => {
    const bytes = image(300, stream.bytes);
    fc.assert(
      fc.property(
        fc.nat(2000),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 4 }),
        (length, piece, room) => {
          const part = bytes.subarray(0, length);
          const recorder = new Recorder(room);
          drive(new LibvirtGrammar(), part, () => piece, recorder);
          assert.deepEqual(recorder.segments, record(new LibvirtGrammar(), part).segments);
        },
      ),
    );
  });
});
