// Bytes of unknown structure: aligned pages without identity, and the three ways in which a walk may end in them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_IDENTITY, type Grammar } from '../../src/grammar/grammar.js';
import { OpaqueGrammar, OpaqueTail, type TailOptions } from '../../src/grammar/opaque.js';
import { PAGE_BYTES } from '../../src/page/size.js';
import { opaqueSegments } from './support/qemu-streams.js';
import { Recorder, drive, record } from './support/xen-recorder.js';

/** A grammar of a tail alone, for the driver. */
function tail(offset: number, options?: TailOptions): Grammar {
  const rest = new OpaqueTail(offset, options);
  return {
    name: 'opaque',
    state: 'open',
    opaqueBecause: undefined,
    end: () => ({ state: 'seen' }),
    scan: (data, atEnd, out) => rest.scan(data, atEnd, out),
  };
}

describe('opaque grammar', () => {
  it('reports aligned blocks as pages without identity, in one call', () => {
    const recorder = new Recorder();
    const bytes = new Uint8Array(100 * PAGE_BYTES + 5);
    assert.equal(new OpaqueGrammar().scan(bytes, true, recorder), bytes.length);
    assert.equal(recorder.calls, 2);
    assert.deepEqual(recorder.segments, [
      { kind: 'pages', n: 100, identity: NO_IDENTITY },
      { kind: 'skeleton', n: 5 },
    ]);
  });

  it('takes nothing while the sink is full', () => {
    assert.equal(new OpaqueGrammar().scan(new Uint8Array(9000), true, new Recorder(0)), 0);
  });
});

describe('OpaqueTail', () => {
  it('aligns blocks to the start of the stream, in any split, for any sink', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1 });
    fc.assert(
      fc.property(
        fc.nat(20_000),
        fc.nat(30_000),
        sizes,
        fc.integer({ min: 1, max: 3 }),
        (offset, length, pieces, room) => {
          const recorder = new Recorder(room);
          let i = 0;
          drive(tail(offset), new Uint8Array(length), () => pieces[i++ % pieces.length]!, recorder);
          assert.deepEqual(recorder.segments, opaqueSegments(offset, offset + length, 'pages'));
        },
      ),
    );
  });

  it('reports only skeleton with the option skeleton', () => {
    const { segments } = record(tail(0, { skeleton: true }), new Uint8Array(20_000), 100);
    assert.deepEqual(segments, [{ kind: 'skeleton', n: 20_000 }]);
  });

  it('keeps nothing back and flushes after each scan with the option urgent', () => {
    const recorder = new Recorder();
    const rest = new OpaqueTail(10, { urgent: true });
    for (const n of [1, PAGE_BYTES, 3]) assert.equal(rest.scan(new Uint8Array(n), false, recorder), n);
    assert.deepEqual(
      recorder.segments.map((segment) => segment.kind),
      ['skeleton', 'flush', 'skeleton', 'flush', 'skeleton', 'flush'],
    );
  });
});
