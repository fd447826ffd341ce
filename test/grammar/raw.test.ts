// RAM images: every page with its number, and a tail shorter than a page.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RawGrammar } from '../../src/grammar/raw.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { Recorder, drive, record } from './support/xen-recorder.js';

describe('raw grammar', () => {
  it('reports all pages of one scan in one call', () => {
    const recorder = new Recorder();
    const image = new Uint8Array(1000 * PAGE_BYTES);
    assert.equal(new RawGrammar().scan(image, false, recorder), image.length);
    assert.equal(recorder.calls, 1);
    assert.deepEqual(recorder.segments, [{ kind: 'pages', n: 1000, identity: 0 }]);
  });

  it('numbers pages from the start of the image, across scans', () => {
    const recorder = new Recorder();
    const grammar = new RawGrammar();
    grammar.scan(new Uint8Array(3 * PAGE_BYTES), false, recorder);
    recorder.skeleton(1);
    grammar.scan(new Uint8Array(2 * PAGE_BYTES), false, recorder);
    assert.deepEqual(recorder.segments.at(-1), { kind: 'pages', n: 2, identity: 3 });
  });

  it('waits for a page to be complete, and makes a short tail skeleton at the end', () => {
    const grammar = new RawGrammar();
    const recorder = new Recorder();
    assert.equal(grammar.scan(new Uint8Array(PAGE_BYTES + 7), false, recorder), PAGE_BYTES);
    assert.equal(grammar.scan(new Uint8Array(7), false, recorder), 0);
    assert.equal(grammar.scan(new Uint8Array(7), true, recorder), 7);
    assert.deepEqual(recorder.segments, [
      { kind: 'pages', n: 1, identity: 0 },
      { kind: 'skeleton', n: 7 },
    ]);
  });

  it('reports the same in any split, to any sink', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 12000 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.nat(50_000), sizes, fc.integer({ min: 1, max: 3 }), (length, pieces, room) => {
        const image = new Uint8Array(length);
        const recorder = new Recorder(room);
        let i = 0;
        drive(new RawGrammar(), image, () => pieces[i++ % pieces.length]!, recorder);
        assert.deepEqual(recorder.segments, record(new RawGrammar(), image).segments);
      }),
    );
  });

  it('takes nothing while the sink is full', () => {
    const recorder = new Recorder(0);
    assert.equal(new RawGrammar().scan(new Uint8Array(2 * PAGE_BYTES), true, recorder), 0);
    assert.equal(recorder.calls, 0);
  });
});
