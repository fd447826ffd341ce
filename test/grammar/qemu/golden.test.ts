// The grammar against recorded streams of real QEMUs (test/golden/qemu): versions, machines and capabilities whose sections beside ram
// are followed by their own lengths.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { decompress } from '@mongodb-js/zstd';
import { GOLDEN_QEMU } from '../../../lab/places.js';
import { NO_IDENTITY, NO_PAGE, SEEN } from '../../../src/grammar/grammar.js';
import { QemuGrammar } from '../../../src/grammar/qemu/qemu.js';
import { record } from '../support/xen-recorder.js';

interface Expected {
  readonly bytes: number;
  readonly sha256: string;
  /** Pages with contents whose place is known. */
  readonly identified: number;
}

const table = JSON.parse(readFileSync(join(GOLDEN_QEMU, 'expected.json'), 'utf8')) as Record<
  string,
  Expected
>;

describe('recorded streams of QEMU', () => {
  it('are those of the table', () => {
    const names = readdirSync(GOLDEN_QEMU).filter((name) => name.endsWith('.zst'));
    assert.deepEqual(names.sort(), Object.keys(table).sort());
  });

  for (const [name, { bytes, sha256, identified }] of Object.entries(table)) {
    it(`are followed to their end: ${name}`, async () => {
      const stream = await decompress(readFileSync(join(GOLDEN_QEMU, name)));
      assert.equal(stream.length, bytes);
      assert.equal(createHash('sha256').update(stream).digest('hex'), sha256);
      const whole = record(new QemuGrammar(), stream);
      const grammar = new QemuGrammar();
      assert.deepEqual(record(grammar, stream, 4099).segments, whole.segments);
      assert.equal(grammar.opaqueBecause, undefined);
      assert.deepEqual(grammar.end(), SEEN);
      const blocks = whole.segments.flatMap((segment) => (segment.kind === 'pages' ? [segment] : []));
      assert.ok(blocks.every(({ identity }) => identity !== NO_IDENTITY));
      const pages = blocks.filter(({ identity }) => identity !== NO_PAGE);
      assert.equal(
        pages.reduce((sum, { n }) => sum + n, 0),
        identified,
      );
    });
  }
});
