// The records of method `xenguest`: their layout in hex, and the refusal of invalid ones.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { readChunkHeader } from '../../src/chunk/record.js';
import {
  CHUNK_PREFIX_BYTES,
  checkPadding,
  cutMayBeginAt,
  ENVELOPE_BYTES,
  envelop,
  isCut,
  isCutRecord,
  isDamagedTotals,
  LIBXC_HEADER_BYTES,
  readEnvelope,
  TOTALS_RECORD_BYTES,
  XENGUEST_RECORD,
  XenguestTotals,
} from '../../src/container/xenguest.js';
import { RamferryError, type ErrorCode } from '../../src/errors.js';

const LIMITS = { maxChunk: 0x10_0000, storeBytes: 0x3000 };

function refused(work: () => unknown, code: ErrorCode, text: RegExp): void {
  assert.throws(work, (thrown) => {
    assert.ok(thrown instanceof RamferryError);
    assert.equal(thrown.code, code);
    assert.match(thrown.message, text);
    return true;
  });
}

describe('the envelope of a chunk record', () => {
  const enveloped = (recordLength: number, bigEndian: boolean): Buffer => {
    const out = Buffer.alloc(CHUNK_PREFIX_BYTES + recordLength + 8, 0xee);
    return out.subarray(0, envelop(out, recordLength, LIMITS, bigEndian));
  };

  it('has the layout of the specification, both byte orders', () => {
    const body = '524d4659' + '0100' + '0000' + '00001000' + '03000000';
    assert.equal(enveloped(8, false).toString('hex'), '4652ff7f' + '18000000' + body + 'ee'.repeat(8));
    assert.equal(enveloped(8, true).toString('hex'), '7fff5246' + '00000018' + body + 'ee'.repeat(8));
  });

  it('pads the body with zeros to a multiple of 8 bytes', () => {
    for (let length = 1; length <= 17; length++) {
      const bytes = enveloped(length, false);
      assert.equal(bytes.readUInt32LE(4), bytes.length - LIBXC_HEADER_BYTES);
      assert.equal(bytes.length % 8, 0);
      assert.ok(bytes.length - CHUNK_PREFIX_BYTES - length < 8);
      assert.ok(bytes.subarray(CHUNK_PREFIX_BYTES + length).every((byte) => byte === 0));
      checkPadding(bytes.subarray(LIBXC_HEADER_BYTES), length);
    }
  });

  it('survives a round trip', () => {
    assert.deepEqual(readEnvelope(enveloped(8, false).subarray(LIBXC_HEADER_BYTES)), LIMITS);
  });

  it('is rejected, fields of another version', () => {
    const body = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(enveloped(8, false).subarray(LIBXC_HEADER_BYTES));
      change(bytes);
      return bytes;
    };
    refused(() => readEnvelope(body((b) => (b[0]! ^= 1))), 'ERR_STREAM_FORMAT', /magic/);
    refused(() => readEnvelope(Buffer.alloc(8)), 'ERR_STREAM_FORMAT', /magic/);
    refused(() => readEnvelope(body((b) => b.writeUInt16LE(2, 4))), 'ERR_STREAM_VERSION', /version 2/);
    refused(() => readEnvelope(body((b) => b.writeUInt16LE(1, 6))), 'ERR_STREAM_FEATURE', /features/);
    refused(() => readEnvelope(body((b) => b.writeUInt32LE(0, 8))), 'ERR_STREAM_LIMIT', /0 bytes/);
    refused(() => readEnvelope(body((b) => b.writeUInt32LE(0x400_0001, 8))), 'ERR_STREAM_LIMIT', /67108865/);
  });

  it('is rejected, nonzero padding or wrong length', () => {
    const body = enveloped(11, false).subarray(LIBXC_HEADER_BYTES);
    checkPadding(body, 11);
    refused(() => checkPadding(body, 19), 'ERR_STREAM_FORMAT', /length/);
    refused(() => checkPadding(body.subarray(0, -1), 11), 'ERR_STREAM_FORMAT', /length/);
    body[body.length - 1] = 1;
    refused(() => checkPadding(body, 11), 'ERR_STREAM_FORMAT', /length/);
  });
});

describe('the totals', () => {
  const header = (decodedLength: number, zero: number, literal: number, duplicate: number) =>
    ({ decodedLength, zero, literal, duplicate }) as ReturnType<typeof readChunkHeader>;
  const counted = (): XenguestTotals => {
    const totals = new XenguestTotals();
    totals.verbatim(Buffer.from('a header'));
    totals.chunk(header(3 * 4096 + 16, 1, 2, 0), Buffer.alloc(ENVELOPE_BYTES, 1), Buffer.alloc(100, 2));
    totals.verbatim(Buffer.from('a record'));
    totals.chunk(header(4096, 0, 0, 1), Buffer.alloc(ENVELOPE_BYTES, 1), Buffer.alloc(96, 3));
    return totals;
  };

  it('have the layout of the specification', () => {
    const record = counted().record(false, false);
    assert.equal(record.length, TOTALS_RECORD_BYTES);
    const u64 = (n: number) =>
      n.toString(16).padStart(16, '0').replace(/../g, '$& ').trim().split(' ').reverse();
    const numbers = [2, 16 + 3 * 4096 + 16 + 4096, 1, 2, 1].flatMap(u64).join('');
    assert.equal(record.subarray(0, 56).toString('hex'), `4752ff7f40000000524d465901000000${numbers}`);
    // The checksum covers the digest, so verify() checks both.
    counted().verify(record.subarray(LIBXC_HEADER_BYTES), false);
  });

  it('have only their libxc header in the byte order of the stream', () => {
    const little = counted().record(false, true);
    const big = counted().record(true, true);
    assert.equal(big.subarray(0, 8).toString('hex'), '7fff524700000040');
    assert.ok(big.subarray(8).equals(little.subarray(8)));
  });

  it('differ, bytes in another order', () => {
    const swapped = new XenguestTotals();
    swapped.verbatim(Buffer.from('a record'));
    swapped.chunk(header(3 * 4096 + 16, 1, 2, 0), Buffer.alloc(ENVELOPE_BYTES, 1), Buffer.alloc(100, 2));
    swapped.verbatim(Buffer.from('a header'));
    swapped.chunk(header(4096, 0, 0, 1), Buffer.alloc(ENVELOPE_BYTES, 1), Buffer.alloc(96, 3));
    const body = swapped.record(false, false).subarray(LIBXC_HEADER_BYTES);
    refused(() => counted().verify(body, false), 'ERR_STREAM_TOTALS', /other bytes/);
  });

  it('differ, another envelope or another flag', () => {
    const other = new XenguestTotals();
    const same = new XenguestTotals();
    other.chunk(header(4096, 1, 0, 0), Buffer.alloc(ENVELOPE_BYTES, 1), Buffer.alloc(96));
    same.chunk(header(4096, 1, 0, 0), Buffer.alloc(ENVELOPE_BYTES, 2), Buffer.alloc(96));
    const body = other.record(false, false).subarray(LIBXC_HEADER_BYTES);
    refused(() => same.verify(body, false), 'ERR_STREAM_TOTALS', /other bytes/);
    refused(() => other.verify(body, true), 'ERR_STREAM_TOTALS', /other bytes/);
  });

  it('are refused, any bit of the body flipped', () => {
    const record = counted().record(false, false);
    for (let bit = 8 * LIBXC_HEADER_BYTES; bit < 8 * record.length; bit++) {
      const bytes = Buffer.from(record);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => counted().verify(bytes.subarray(LIBXC_HEADER_BYTES), isCut(bytes.subarray(8))));
    }
  });
});

describe('the totals of a truncated input', () => {
  const cut = new XenguestTotals().record(false, true);

  it('are distinguished from other totals, both byte orders', () => {
    assert.ok(isCutRecord(cut));
    assert.ok(isCutRecord(new XenguestTotals().record(true, true)));
    assert.ok(!isCutRecord(new XenguestTotals().record(false, false)));
    assert.ok(!isCutRecord(cut.subarray(1)));
    assert.ok(!isCutRecord(Buffer.alloc(TOTALS_RECORD_BYTES)));
  });

  it('are found at every possible offset and at no other', () => {
    for (const record of [cut, new XenguestTotals().record(true, true)]) {
      for (const before of [0, 1, 71, 72, 200]) {
        for (let known = 1; known <= record.length; known++) {
          const bytes = Buffer.concat([Buffer.alloc(before, 0x11), record.subarray(0, known)]);
          assert.equal(cutMayBeginAt(bytes), before, `${known} bytes behind ${before}`);
        }
        // A byte follows the totals, so they do not end the input.
        const past = Buffer.concat([Buffer.alloc(before, 0x11), record, Buffer.of(0)]);
        assert.equal(cutMayBeginAt(past), past.length);
      }
    }
    assert.equal(cutMayBeginAt(Buffer.alloc(0)), 0);
    for (const end of ['0000000000000000', '0e00000000000000', '0500000004000000' + '0100000000000000']) {
      const bytes = Buffer.from(end, 'hex');
      assert.equal(cutMayBeginAt(bytes), bytes.length, 'nothing waits behind a record that may be answered');
    }
  });

  it('are recognised as damaged totals, any bit flipped', () => {
    for (const flags of [true, false]) {
      const record = new XenguestTotals().record(false, flags);
      assert.ok(isDamagedTotals(record));
      for (let bit = 0; bit < 8 * record.length; bit++) {
        const bytes = Buffer.from(record);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        assert.ok(isDamagedTotals(bytes), `bit ${bit}`);
      }
    }
    assert.ok(!isDamagedTotals(Buffer.alloc(TOTALS_RECORD_BYTES)));
    assert.ok(!isDamagedTotals(Buffer.alloc(TOTALS_RECORD_BYTES, 0x52)));
  });

  it('have a mandatory type', () => {
    for (const type of Object.values(XENGUEST_RECORD)) assert.equal(type >>> 31, 0);
  });
});
