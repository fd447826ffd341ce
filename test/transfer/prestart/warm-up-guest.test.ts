// The warm-up's stream is a QEMU stream that the grammar walks page by page.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';

import { SEGMENT } from '../../../src/chunk/segments.js';
import { QemuGrammar } from '../../../src/grammar/qemu/qemu.js';
import { Filler } from '../../../src/transfer/sender/filler.js';
import { warmUpGuest } from '../../../src/transfer/prestart/warm-up-guest.js';
import { RoundCounter } from '../../../src/transfer/statistics/rounds.js';

describe('warmUpGuest', () => {
  it('is walked by the QEMU grammar to its last byte, and sends its pages again', () => {
    const pieces: Buffer[] = [];
    for (const piece of warmUpGuest()) {
      pieces.push(Buffer.from(piece));
      if (pieces.length === 6000) break;
    }
    const stream = Buffer.concat(pieces);
    const rounds = new RoundCounter();
    const filler = new Filler(false, rounds, 8192);
    const table = new Int32Array(1 << 16);
    filler.begin(table);
    const grammar = new QemuGrammar();
    let at = 0;
    let pages = 0;
    while (at < stream.length) {
      const taken = grammar.scan(stream.subarray(at), false, filler);
      at += taken;
      if (filler.cut === undefined && taken === 0) break;
      const { segments } = filler.cutHere();
      for (let entry = 0; entry < segments; entry++) {
        if (table[entry * 2] === SEGMENT.pages) pages += table[entry * 2 + 1]!;
      }
      filler.begin(table);
    }
    assert.equal(grammar.opaqueBecause, undefined);
    assert.ok(stream.length - at < 5000, 'but for an item that is not complete');
    assert.ok(pages > 2000, `${pages} pages`);
    assert.ok((rounds.view()?.count ?? 0) >= 2, 'more than one round');
  });
});
