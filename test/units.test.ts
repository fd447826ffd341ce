// Sizes, rates and durations: what is understood, what is refused, and how they are written.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RamferryError } from '../src/errors.js';
import {
  formatDuration,
  formatRate,
  formatSize,
  nearest,
  outOfRange,
  parseDuration,
  parseRate,
  parseSize,
  writeExactly,
} from '../src/units.js';

function refused(run: () => unknown, ...words: (string | RegExp)[]): void {
  assert.throws(run, (thrown) => {
    assert.ok(thrown instanceof RamferryError);
    assert.equal(thrown.code, 'ERR_OPTION_INVALID');
    for (const word of words) assert.ok(thrown.message.search(word) >= 0, `${thrown.message} lacks ${word}`);
    return true;
  });
}

describe('sizes', () => {
  const sizes: [string, number][] = [
    ['0', 0],
    ['4096', 4096],
    ['64K', 65536],
    ['512k', 524288],
    ['64KiB', 65536],
    ['64 KiB', 65536],
    ['64kB', 64000],
    ['64KB', 64000],
    ['1MiB', 1048576],
    ['1mib', 1048576],
    ['1MB', 1000000],
    ['1M', 1048576],
    ['1.5G', 1610612736],
    ['2TiB', 2199023255552],
    ['12B', 12],
  ];
  for (const [text, bytes] of sizes) {
    it(`reads ${text} as ${bytes}`, () => assert.equal(parseSize(text, 'chunk-size'), bytes));
  }
  for (const text of [
    '',
    'x',
    '1X',
    '-1',
    '1iB',
    '1i',
    '1e3',
    '0x10',
    '1 2',
    '1M/s',
    '9999999999T',
    '1mbit',
    'MiB',
  ]) {
    it(`refuses ${JSON.stringify(text)} and names the option and the value`, () =>
      refused(() => parseSize(text, 'chunk-size'), /^chunk-size: /, JSON.stringify(text)));
  }
  it('refuses invalid numbers', () => {
    for (const value of [-1, NaN, Infinity, 2 ** 53]) refused(() => parseSize(value, 'chunk-size'));
  });
});

describe('rates', () => {
  const rates: [string, number][] = [
    ['0', 0],
    ['1000', 1000],
    ['1gbit', 125_000_000],
    ['1Gbit', 125_000_000],
    ['100mbit', 12_500_000],
    ['10Mbit/s', 1_250_000],
    ['10Mibit/s', 1_310_720],
    ['8bit', 1],
    ['125MB', 125_000_000],
    ['125MB/s', 125_000_000],
    ['1GiB', 1_073_741_824],
    ['100M', 104_857_600],
    ['1bit', 1],
    ['8bps', 1],
    ['8kbps', 1000],
    ['100Mbps', 12_500_000],
    ['1Gbps', 125_000_000],
    ['1gbps', 125_000_000],
    ['1Gbit/s', 125_000_000],
  ];
  for (const [text, bytes] of rates) {
    it(`reads ${text} as ${bytes} bytes per second`, () =>
      assert.equal(parseRate(text, 'max-bandwidth'), bytes));
  }
  for (const text of [
    '1Mb',
    '1mb',
    '1mib',
    '1b',
    '1MBps',
    '1Mbps/s',
    '1iBps',
    '',
    'fast',
    '-1',
    '1ibit',
    '1/s/s',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () =>
      refused(() => parseRate(text, 'max-bandwidth'), /^max-bandwidth: /, JSON.stringify(text)));
  }
});

describe('durations', () => {
  const durations: [string, number][] = [
    ['50', 50],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['2min', 120_000],
    ['1h', 3_600_000],
  ];
  for (const [text, milliseconds] of durations) {
    it(`reads ${text} as ${milliseconds} ms`, () =>
      assert.equal(parseDuration(text, 'io-timeout'), milliseconds));
  }
  it('refuses invalid durations', () => {
    for (const text of ['', 's', '1d', '-1s', '1 2s', 'constructor'])
      refused(() => parseDuration(text, 'io-timeout'));
  });
});

describe('parsers', () => {
  it('return a safe integer or refuse, random text', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,9} ?[kKmMgGtTiIbB/s]{0,5}$/));
    fc.assert(
      fc.property(text, fc.constantFrom(parseSize, parseRate, parseDuration), (value, parse) => {
        try {
          const result = parse(value, 'x');
          assert.ok(Number.isSafeInteger(result) && result >= 0);
        } catch (thrown) {
          assert.ok(thrown instanceof RamferryError);
        }
      }),
    );
  });
  it('cut a long value in the message', () => {
    refused(() => parseSize('9'.repeat(5000), 'x'), /^.{1,150}$/s);
  });
});

describe('limits in messages', () => {
  it('use the largest exact unit', () => {
    assert.equal(writeExactly(65_536, 'size'), '64KiB');
    assert.equal(writeExactly(16 * 1024 ** 2, 'size'), '16MiB');
    assert.equal(writeExactly(65_537, 'size'), '65537');
    assert.equal(writeExactly(0, 'size'), '0');
    assert.equal(writeExactly(60_000, 'duration'), '1min');
    assert.equal(writeExactly(1500, 'duration'), '1500ms');
    assert.equal(writeExactly(255, 'count'), '255');
    const error = outOfRange('chunkSize', '1K', 'below', 65_536, 'size');
    assert.equal(error.message, 'chunkSize: 1K is below the minimum of 64KiB');
  });
});

describe('nearest', () => {
  it('returns a name at most two edits away and fewer than half of the letters', () => {
    const names = ['send', 'receive', 'tune', 'chunk-size'];
    assert.equal(nearest('sned', names), 'send');
    assert.equal(nearest('chunksize', names), 'chunk-size');
    assert.equal(nearest('recieve', names), 'receive');
    assert.equal(nearest('foo', names), undefined);
    assert.equal(nearest('', names), undefined);
  });
});

describe('formatters', () => {
  it('write sizes in binary units', () => {
    assert.equal(formatSize(0), '0 B');
    assert.equal(formatSize(1023), '1023 B');
    assert.equal(formatSize(1536), '1.5 KiB');
    assert.equal(formatSize(1024 ** 2 - 1), '1.0 MiB');
    assert.equal(formatSize(5 * 1024 ** 5), '5120.0 TiB');
  });
  it('write rates in decimal units', () => {
    assert.equal(formatRate(125_000_000), '125.0 MB/s');
    assert.equal(formatRate(999_999), '1.0 MB/s');
  });
  it('write durations in a readable unit', () => {
    assert.equal(formatDuration(340.4), '340 ms');
    assert.equal(formatDuration(12_400), '12.4 s');
    assert.equal(formatDuration(59_960), '1:00 min');
    assert.equal(formatDuration(185_000), '3:05 min');
    assert.equal(formatDuration(3_723_000), '1:02:03 h');
  });
});
