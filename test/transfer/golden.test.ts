// The golden streams, written by hand from the specification: the receiver decodes each valid one, and rejects each invalid one for
// the right reason.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import type { ErrorCode, RamferryError } from '../../src/errors.js';
import { isTyped } from '../chunk/typed.js';
import { decodeStream } from './support/memory-link.js';
import { forEachOf } from './support/streams.js';

const GOLDEN = join(import.meta.dirname, '../../../test/golden/native-v1');

function text(name: string): string {
  return readFileSync(join(GOLDEN, name), 'utf8');
}

function fromHex(hex: string): Buffer {
  return Buffer.from(hex.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex');
}

/** The expected error by the name of the stream; the first pattern that matches counts. */
const REASONS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^nothing$|^cut-/, 'ERR_STREAM_TRUNCATED'],
  [/^magic$/, 'ERR_STREAM_MAGIC'],
  [/^version$/, 'ERR_STREAM_VERSION'],
  [/-checksum$/, 'ERR_STREAM_CHECKSUM'],
  [/^(header-|features|checksum-kind|grammar|page-size)/, 'ERR_STREAM_FEATURE'],
  [/^(most-|length-exceeded$|page-store|window-0$|window-257$|decoded-length-most$)/, 'ERR_STREAM_LIMIT'],
  [/^(position|sequence|window-)/, 'ERR_STREAM_ORDER'],
  [/^zstd-not-shorter$/, 'ERR_STREAM_FORMAT'],
  [/^(zlib|zstd|lz4)-/, 'ERR_STREAM_CODEC'],
  [/^end-then-/, 'ERR_STREAM_TRAILING'],
  [/^end-length$/, 'ERR_STREAM_FORMAT'],
  [/^end-/, 'ERR_STREAM_TOTALS'],
  [/^/, 'ERR_STREAM_FORMAT'],
];

describe('golden streams', () => {
  const names = readdirSync(GOLDEN).filter((name) => name.endsWith('.hex'));

  it('include more than ten files', () => {
    assert.ok(names.length > 10);
  });

  for (const name of names) {
    it(`${name} decodes to the expected bytes`, async () => {
      const decoded = await decodeStream(fromHex(text(name)));
      const [digest, length] = text(name.replace(/hex$/, 'expected')).trim().split(' ');
      assert.equal(decoded.length, Number(length));
      assert.equal(createHash('sha256').update(decoded).digest('hex'), digest);
    });
  }
});

describe('invalid streams', () => {
  const cases = text('refused.txt')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ') as [string, string]);

  it('are rejected, each with its reason and offset', async () => {
    assert.ok(cases.length > 50);
    await forEachOf(cases, async ([name, hex]) => {
      const [, code] = REASONS.find(([pattern]) => pattern.test(name))!;
      await assert.rejects(
        decodeStream(fromHex(hex === '-' ? '' : hex)),
        (thrown) => {
          isTyped(code)(thrown);
          const { place } = thrown as RamferryError;
          assert.ok(place.offset !== undefined, 'an error of the stream names its offset');
          assert.ok(
            place.record !== undefined || code === 'ERR_STREAM_MAGIC' || code === 'ERR_STREAM_TRAILING',
          );
          return true;
        },
        name,
      );
    });
  });
});
