// xenopsd.conf, read as xenopsd reads it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { parseXenopsdConf } from '../../../src/hypervisor/xapi/xenopsd-conf.js';

describe('migration-compressor in xenopsd.conf', () => {
  for (const [text, method] of [
    ['migration-compressor = "xenguest"', 'xenguest'],
    ["migration-compressor='stream'", 'stream'],
    ['  migration-compressor = XenGuest \t  # in-stream', 'xenguest'],
    ['Migration-Compressor = xenguest', undefined],
    ['MIGRATION-COMPRESSOR = xenguest', undefined],
    ['whatever migration-compressor = xenguest', 'xenguest'],
    ['= migration-compressor = xenguest', 'xenguest'],
    ['migration-compressor \\ = \\ xenguest', 'xenguest'],
    ['migration-compressor', undefined],
    ['migration-compressors = xenguest', undefined],
    ['"migration-compressor" = xenguest', undefined],
    ['\rmigration-compressor = xenguest', undefined],
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

  for (const [what, text, written] of [
    ['a name that xenopsd does not know', 'migration-compressor = "Zstd Fast"', '"Zstd Fast"'],
    ['# ends the line within quotes, too', 'migration-compressor = "xenguest # fast"', '"\\"xenguest"'],
    ['a carriage return belongs to the value', 'migration-compressor = xenguest\r\n', '"xenguest\\r"'],
    ['and keeps quotes from being a pair', 'migration-compressor = "xenguest"\r', '"\\"xenguest\\"\\r"'],
    ['one quote is no pair', 'migration-compressor = "', '"\\""'],
    ['two kinds of quotes are no pair', `migration-compressor = "stream'`, `"\\"stream'"`],
    ['blanks within quotes count', "migration-compressor = ' stream'", '" stream"'],
    ['no value', 'migration-compressor =', '""'],
    ['what stands behind a second =', 'migration-compressor == stream', '"= stream"'],
  ] as const) {
    it(`warns about an unknown value in its own spelling, and uses stream: ${what}`, () => {
      const { method, warnings } = parseXenopsdConf(text);
      assert.equal(method, 'stream');
      assert.deepEqual(warnings, [`unknown migration-compressor ${written}: using stream`]);
    });
  }
});
