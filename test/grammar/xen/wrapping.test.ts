// The walk through xl, libxl and xenopsd wrappings, as a receiver uses it: with ramferry's own record type.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LibxcRecord } from '../../../src/grammar/xen/libxc-records.js';
import { createXenGrammar } from '../../../src/grammar/xen/libxc.js';
import { XEN_MAGICS, XenWalk, type XenHandler, type XenKind } from '../../../src/grammar/xen/wrapping.js';
import { record } from '../support/xen-recorder.js';
import { range, REC, wellFormed, XenStream } from '../support/xen-streams.js';

const OWN_TYPE = 0x7fffff00;

/** A minimal receiver: converts bodies of ramferry's type to capitals, and passes everything else through. */
class Replacer implements XenHandler {
  full = false;
  input: Uint8Array = Buffer.alloc(0);
  cursor = 0;
  readonly output: Buffer[] = [];
  readonly found: LibxcRecord[] = [];
  flushes = 0;

  #pass(n: number): void {
    this.output.push(Buffer.from(this.input.subarray(this.cursor, this.cursor + n)));
    this.cursor += n;
  }
  between(n: number): void {
    this.#pass(n);
  }
  begin(record: LibxcRecord): void {
    if (record.type === OWN_TYPE) this.found.push(record);
    this.#pass(8);
  }
  body(record: LibxcRecord, data: Uint8Array, start: number, end: number): number {
    if (record.type === OWN_TYPE) {
      this.output.push(Buffer.from(Buffer.from(data.subarray(start, end)).toString().toUpperCase()));
      this.cursor += end - start;
    } else this.#pass(end - start);
    return end - start;
  }
  padding(n: number): void {
    this.#pass(n);
  }
  end(): void {
    // No byte is kept back here.
  }
  flush(): void {
    this.flushes += 1;
  }
}

function replace(kind: XenKind, input: Uint8Array, size: number): Replacer {
  const walk = new XenWalk(kind);
  const handler = new Replacer();
  handler.input = input;
  let consumed = 0;
  for (let fed = 0; fed < input.length;) {
    fed = Math.min(input.length, fed + size);
    consumed += walk.scan(input.subarray(consumed, fed), fed === input.length, handler);
    assert.equal(handler.cursor, consumed);
  }
  assert.equal(consumed, input.length);
  return handler;
}

/** A libxc stream with two records of ramferry's type. */
function own(stream: XenStream, text: string): XenStream {
  stream.image().record(REC.pvInfo, Buffer.from('quiet'));
  return stream
    .record(OWN_TYPE, Buffer.from(text))
    .record(OWN_TYPE, Buffer.from(`${text}, again`))
    .end();
}

describe('XenWalk with compressed records', () => {
  for (const bigEndian of [false, true]) {
    const wrap: Record<XenKind, (text: string) => XenStream> = {
      libxc: (text) => own(new XenStream({ bigEndian }), text),
      libxl: (text) => own(new XenStream({ bigEndian }).libxlHeader().libxcContext(), text).libxlEnd(),
      xl: (text) =>
        own(new XenStream({ bigEndian }).xlHeader().libxlHeader().libxcContext(), text).libxlEnd(),
      xenopsd: (text) =>
        own(
          new XenStream({ bigEndian })
            .xenopsdSignature()
            .xenopsdRecord(0xf, Buffer.from('x'))
            .xenopsdHeader(0xf0),
          text,
        )
          .xenopsdHeader(0xf1)
          .libxlHeader()
          .libxcContext()
          .verifiedGuest()
          .libxlEnd()
          .xenopsdEnd(),
    };
    for (const kind of Object.keys(wrap) as XenKind[]) {
      it(`reports their offsets in ${kind}, ${bigEndian ? 'big' : 'little'}-endian, in any split`, () => {
        const stream = wrap[kind]('some text');
        const input = stream.bytes();
        const expected = wrap[kind]('SOME TEXT').bytes();
        Buffer.from('SOME TEXT, AGAIN').copy(expected, expected.indexOf('SOME TEXT, again'));
        for (const size of [1, 9, Infinity]) {
          const handler = replace(kind, input, size);
          assert.ok(Buffer.concat(handler.output).equals(expected));
          assert.deepEqual(
            handler.found.map(({ number }) => number),
            [1, 2],
          );
          for (const { offset } of handler.found) {
            const header = input.subarray(offset, offset + 4);
            assert.equal(bigEndian ? header.readUInt32BE() : header.readUInt32LE(), OWN_TYPE);
          }
        }
      });
    }
  }

  it('finds them between the checkpoints of Remus', () => {
    const stream = new XenStream().libxlHeader().libxcContext().image();
    stream.record(OWN_TYPE, Buffer.from('one')).bareCheckpoint().libxlCheckpoint();
    stream.record(OWN_TYPE, Buffer.from('two')).bareCheckpoint().libxlCheckpoint();
    const handler = replace('libxl', stream.bytes(), 5);
    assert.deepEqual(
      handler.found.map(({ number }) => number),
      [0, 2],
    );
    assert.equal(
      handler.flushes,
      2,
      'flushes after each CHECKPOINT_END; the record handler flushes for libxc records',
    );
  });

  it('finds none inside a body or behind the end', () => {
    const decoy = new XenStream();
    const bytes = Buffer.concat([decoy.u32(OWN_TYPE, 8), Buffer.from('decoyed!')]);
    const stream = new XenStream().libxlHeader().record(3, bytes).libxcContext();
    stream.image().record(REC.hvmContext, bytes).end().record(3, bytes).libxlEnd().skeleton(bytes);
    const handler = replace('libxl', stream.bytes(), 4);
    assert.equal(handler.found.length, 0);
    assert.ok(Buffer.concat(handler.output).equals(stream.bytes()));
  });
});

describe('XenWalk in a wrapping', () => {
  it('recognises each kind by its magic', () => {
    for (const { kind, stream } of Object.values(wellFormed())) {
      const magic = XEN_MAGICS[kind];
      assert.ok(stream.bytes().subarray(0, magic.length).equals(magic));
      for (const other of Object.keys(XEN_MAGICS) as XenKind[]) {
        if (other === kind) continue;
        const wrong = createXenGrammar(other);
        const { segments } = record(wrong, stream.bytes());
        assert.deepEqual(segments, [{ kind: 'skeleton', n: stream.length }]);
        assert.notEqual(wrong.opaqueBecause, undefined);
      }
    }
  });

  it('accepts an xl configuration longer than one piece', () => {
    const stream = new XenStream()
      .xlHeader(Buffer.alloc(100_000, 0x20))
      .libxlHeader()
      .libxcContext()
      .pvhGuest(1)
      .libxlEnd();
    assert.deepEqual(record(createXenGrammar('xl'), stream.bytes(), 999).segments, stream.segments);
  });

  const lost: Record<string, [XenKind, XenStream, RegExp]> = {
    'xl with another byte order mark': [
      'xl',
      new XenStream().skeleton(XEN_MAGICS.xl).skeleton(Buffer.alloc(16, 9)),
      /byte order/,
    ],
    'xl without a libxl stream': ['xl', new XenStream().xlHeader().image(), /libxl stream header/],
    'libxl of another version': ['libxl', new XenStream().libxlHeader(3).libxcContext(), /version 3/],
    'libxl without the libxc stream it announces': [
      'libxl',
      new XenStream().libxlHeader().libxcContext().skeleton(Buffer.alloc(64)),
      /libxc image header/,
    ],
    'xenopsd with an unknown type': [
      'xenopsd',
      new XenStream().xenopsdSignature().xenopsdHeader(0x0bad, 4),
      /0xbad/,
    ],
    'xenopsd with a legacy libxc stream': [
      'xenopsd',
      new XenStream().xenopsdSignature().xenopsdHeader(0xf2),
      /0xf2/,
    ],
    'xenopsd with vGPU data': ['xenopsd', new XenStream().xenopsdSignature().xenopsdHeader(0x0f10), /0xf10/],
    'xenopsd with a length beyond all bounds': [
      'xenopsd',
      new XenStream().xenopsdSignature().xenopsdHeader(0x0f01, 2 ** 60),
      /impossible length/,
    ],
  };
  for (const [name, [kind, stream, because]] of Object.entries(lost)) {
    it(`reports the rest as skeleton: ${name}`, () => {
      // The walk must not find the complete stream behind it.
      const input = Buffer.concat([stream.bytes(), new XenStream().pvGuest().bytes()]);
      for (const size of [1, 50, Infinity]) {
        const grammar = createXenGrammar(kind);
        const { segments } = record(grammar, input, size);
        assert.deepEqual(segments, [{ kind: 'skeleton', n: input.length }]);
        assert.match(grammar.opaqueBecause ?? '', because);
        assert.equal(grammar.state, 'open');
      }
    });
  }

  it('has no limit on certainBytes', () => {
    assert.equal(new XenWalk('xenopsd').certainBytes, Infinity);
    assert.equal(new XenWalk('libxc').certainBytes, 24 + 16 + 8);
  });

  it('starts a second libxc stream in libxl anew', () => {
    const stream = new XenStream().libxlHeader();
    stream
      .libxcContext()
      .image()
      .pageData(range(1, 1))
      .end()
      .libxcContext()
      .image()
      .pageData(range(2, 1))
      .end()
      .libxlEnd();
    assert.deepEqual(record(createXenGrammar('libxl'), stream.bytes(), 6).segments, stream.segments);
  });

  it('follows a new libxc stream in place of the one at a checkpoint', () => {
    const stream = new XenStream().libxlHeader().libxcContext().image().checkpoint().libxcContext();
    stream.image().pageData(range(7, 1)).end().libxlEnd();
    assert.deepEqual(record(createXenGrammar('libxl'), stream.bytes(), 6).segments, stream.segments);
  });

  it('continues xenopsd after a libxl stream, with headers and a libxc stream', () => {
    const stream = new XenStream().xenopsdSignature().xenopsdHeader(0xf1).libxlHeader().libxlEnd();
    stream.xenopsdHeader(0xf0).verifiedGuest().xenopsdRecord(0x0f00, Buffer.alloc(3)).xenopsdEnd();
    const grammar = createXenGrammar('xenopsd');
    assert.deepEqual(record(grammar, stream.bytes(), 6).segments, stream.segments);
    assert.equal(grammar.opaqueBecause, undefined);
  });
});
