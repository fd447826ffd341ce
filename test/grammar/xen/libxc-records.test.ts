// The record walk alone: headers, numbers, offsets, body ranges, stops and resumption.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  LibxcRecords,
  type LibxcRecord,
  type RecordHandler,
} from '../../../src/grammar/xen/libxc-records.js';
import { range, REC, XenStream } from '../support/xen-streams.js';

/** Collects the records with their bodies. */
class Collector implements RecordHandler {
  full = false;
  readonly records: LibxcRecord[] = [];
  readonly bodies: Buffer[] = [];
  readonly ended: number[] = [];
  covered = 0;

  between(n: number): void {
    this.covered += n;
  }
  begin(record: LibxcRecord): void {
    this.covered += 8;
    this.records.push(record);
    this.bodies.push(Buffer.alloc(0));
  }
  body(_record: LibxcRecord, data: Uint8Array, start: number, end: number): number {
    assert.ok(start < end && end <= data.length);
    this.covered += end - start;
    this.bodies.push(Buffer.concat([this.bodies.pop()!, data.subarray(start, end)]));
    return end - start;
  }
  padding(n: number): void {
    this.covered += n;
  }
  end(record: LibxcRecord): void {
    this.ended.push(record.number);
  }
}

function walk(records: LibxcRecords, input: Uint8Array, size: number, handler: RecordHandler): number {
  let consumed = 0;
  for (let fed = 0; fed < input.length && records.state === 'open';) {
    fed = Math.min(input.length, fed + size);
    consumed += records.scan(input.subarray(consumed, fed), fed === input.length, handler);
  }
  return consumed;
}

describe('LibxcRecords', () => {
  for (const bigEndian of [false, true]) {
    it(`reports type, length, number, offset and body, ${bigEndian ? 'big' : 'little'}-endian, in any split`, () => {
      const stream = new XenStream({ bigEndian });
      stream.skeleton(Buffer.alloc(0)).image();
      const bodies = [Buffer.from('eight by'), Buffer.from('thirteen byte'), Buffer.alloc(0)];
      stream.record(REC.unknownMandatory, bodies[0]).record(REC.unknownOptional, bodies[1]);
      stream.record(REC.verify, bodies[2]).pageData(range(1, 2)).bareEnd();
      const input = stream.bytes();
      for (const size of [1, 7, Infinity]) {
        const collector = new Collector();
        const records = new LibxcRecords(1000);
        assert.equal(walk(records, input, size, collector), input.length);
        assert.equal(collector.covered, input.length);
        assert.equal(records.state, 'ended');
        assert.deepEqual(
          collector.records.map(({ offset }) => offset),
          stream.recordOffsets.map((o) => o + 1000),
        );
        assert.deepEqual(
          collector.records.map(({ number }) => number),
          [0, 1, 2, 3, 4],
        );
        assert.deepEqual(collector.ended, [0, 1, 2, 3, 4]);
        assert.deepEqual(
          collector.records.map(({ type, length }) => [type, length]),
          [
            [REC.unknownMandatory, 8],
            [REC.unknownOptional, 13],
            [REC.verify, 0],
            [REC.pageData, 8 + 16 + 8192],
            [REC.end, 0],
          ],
        );
        assert.ok(collector.records.every((r) => r.bigEndian === bigEndian));
        bodies.forEach((body, i) => assert.deepEqual(collector.bodies[i], body));
      }
    });
  }

  it('stops after CHECKPOINT, and continues numbering after resume()', () => {
    const stream = new XenStream().image().bareCheckpoint();
    const first = stream.length;
    const input = stream.record(REC.hvmContext, Buffer.alloc(9)).bareEnd().bytes();
    const collector = new Collector();
    const records = new LibxcRecords();
    assert.equal(records.scan(input, true, collector), first);
    assert.equal(records.state, 'checkpoint');
    assert.equal(records.certainBytes, 0);
    assert.equal(records.scan(input.subarray(first), true, collector), 0);
    records.resume();
    assert.equal(records.certainBytes, 8);
    assert.equal(records.scan(input.subarray(first), true, collector), input.length - first);
    assert.equal(records.state, 'ended');
    assert.deepEqual(
      collector.records.map(({ number }) => number),
      [0, 1, 2],
    );
    assert.deepEqual(
      collector.records.map(({ offset }) => offset),
      stream.recordOffsets,
    );
  });

  it('leaves unknown bytes to its caller', () => {
    const stream = new XenStream().image().record(REC.hvmContext, Buffer.alloc(8));
    const known = stream.length;
    const input = Buffer.concat([stream.bytes(), stream.u32(REC.pageData, 0xfffffff0), Buffer.alloc(50)]);
    const collector = new Collector();
    const records = new LibxcRecords();
    assert.equal(walk(records, input, 13, collector), known);
    assert.equal(records.state, 'lost');
    assert.match(records.lostBecause ?? '', /record 1 of 4294967280 bytes, limit 134217728/);
    assert.equal(collector.covered, known);
  });

  it('is lost at an END or CHECKPOINT with a body', () => {
    for (const type of [REC.end, REC.checkpoint]) {
      const stream = new XenStream().image();
      const start = Buffer.concat([stream.bytes(), stream.u32(type, 13)]);
      const records = new LibxcRecords();
      assert.equal(records.scan(start, false, new Collector()), stream.length);
      assert.equal(records.state, 'lost');
      assert.match(records.lostBecause ?? '', /record 0 ends the stream and has a body of 13 bytes/);
    }
  });

  it('accepts a body of MAX_RECORD_BODY bytes', () => {
    const stream = new XenStream().image();
    const input = Buffer.concat([stream.bytes(), stream.u32(REC.hvmContext, 128 * 1024 * 1024)]);
    const records = new LibxcRecords();
    assert.equal(records.scan(input, false, new Collector()), input.length);
    assert.equal(records.state, 'open');
    assert.equal(records.certainBytes, 128 * 1024 * 1024 + 8);
  });

  it('repeats the part of a body that the handler did not take', () => {
    const input = new XenStream().image().record(REC.hvmContext, Buffer.from('0123456789')).end().bytes();
    const seen: string[] = [];
    const handler = new Collector();
    const takeAll = handler.body.bind(handler);
    // Takes four bytes at a time, like a page that is taken completely or not at all.
    handler.body = (record: LibxcRecord, data: Uint8Array, start: number, end: number) => {
      if (end - start < 4 && seen.length < 2) return 0;
      seen.push(Buffer.from(data.subarray(start, end)).toString());
      return takeAll(record, data, start, Math.min(end, start + 4));
    };
    assert.equal(walk(new LibxcRecords(), input, 1, handler), input.length);
    assert.equal(handler.bodies[0]!.toString(), '0123456789');
    assert.deepEqual(seen.slice(0, 2), ['0123', '4567']);
  });

  it('does nothing while the handler is full', () => {
    const input = new XenStream().pvGuest().bytes();
    const handler = new Collector();
    handler.full = true;
    assert.equal(new LibxcRecords().scan(input, true, handler), 0);
    assert.equal(handler.covered, 0);
  });
});
