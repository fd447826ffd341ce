// xenopsd.conf as xenopsd itself reads it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { parseXenopsdConf } from '../../src/hypervisor/xenopsd-conf.js';

describe('migration-compressor in xenopsd.conf', () => {
  for (const [text, method] of [
    ['migration-compressor = "xenguest"', 'xenguest'],
    ["migration-compressor='stream'", 'stream'],
    ['  Migration-Compressor = XenGuest   # in-stream', 'xenguest'],
    ['migration-compressor=xenguest#x', 'xenguest'],
    ['# migration-compressor = stream', undefined],
    ['other = "migration-compressor = stream"', undefined],
    ['', undefined],
    ['migration-compressor = stream\nmigration-compressor = xenguest', 'xenguest'],
  ] as const) {
    it(`reads ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseXenopsdConf(text), { method, warnings: [] });
    });
  }

  it('warns about an unknown value exactly as written, and takes stream', () => {
    const { method, warnings } = parseXenopsdConf('migration-compressor = "Zstd # Fast"');
    assert.equal(method, 'stream');
    assert.deepEqual(warnings, ['unknown migration-compressor "Zstd # Fast": using stream']);
  });
});
