// The checker finds each broken rule in an otherwise valid stream.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIB } from '../../../src/units.js';
import { checkLibxc } from '../support/libxc-checker.js';
import { RECORD } from '../../../src/guest/stream/libxc-format.js';
import { MemorySource, record, smallGuest } from '../harness.js';

interface Piece {
  type: number;
  bytes: Buffer;
}

/** Splits a stream into its headers and its records, each with its padding. */
function take(stream: Buffer): { head: Buffer; records: Piece[] } {
  const records: Piece[] = [];
  for (let at = 40; at < stream.length;) {
    const length = stream.readUInt32LE(at + 4);
    const end = at + 8 + Math.ceil(length / 8) * 8;
    records.push({ type: stream.readUInt32LE(at), bytes: Buffer.from(stream.subarray(at, end)) });
    at = end;
  }
  return { head: Buffer.from(stream.subarray(0, 40)), records };
}

function make(type: number, body: Buffer, padding = 0): Piece {
  const bytes = Buffer.alloc(8 + Math.ceil(body.length / 8) * 8, padding);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(body.length, 4);
  body.copy(bytes, 8);
  return { type, bytes };
}

async function goodStream(format: 'libxc-pv' | 'libxc-pvh') {
  const { stream } = await record(await smallGuest(format, MIB / 16), {
    policy: { kind: 'fixed', rounds: 1 },
  });
  return take(stream);
}

type Parts = ReturnType<typeof take>;
const at = ({ records }: Parts, type: number): number => records.findIndex((one) => one.type === type);
const bytesOf = (parts: Parts, type: number): Buffer => parts.records[at(parts, type)]!.bytes;

function drop(type: number) {
  return (parts: Parts) => void parts.records.splice(at(parts, type), 1);
}

function insert(before: number, piece: Piece) {
  return (parts: Parts) => void parts.records.splice(at(parts, before), 0, piece);
}

const PV: [string, (parts: Parts) => void, RegExp][] = [
  ['a marker with a zero bit', ({ head }) => head.writeUInt8(0x7f, 3), /marker/],
  ['another id', ({ head }) => head.writeUInt8(0, 8), /XENF/],
  ['version 4', ({ head }) => head.writeUInt32BE(4, 12), /version 4/],
  ['reserved options', ({ head }) => head.writeUInt16BE(2, 16), /reserved options/],
  ['a big-endian option', ({ head }) => head.writeUInt16BE(1, 16), /little-endian/],
  ['reserved bytes in the image header', ({ head }) => head.writeUInt8(1, 20), /reserved bytes/],
  ['domain type 7', ({ head }) => head.writeUInt32LE(7, 24), /type 7/],
  ['pages of 2 MiB', ({ head }) => head.writeUInt16LE(21, 28), /page shift/],
  ['reserved bytes in the domain header', ({ head }) => head.writeUInt16LE(1, 30), /domain header: reserved/],
  ['no STATIC_DATA_END', drop(RECORD.staticDataEnd), /pvP2mFrames before staticDataEnd/],
  [
    'static data after its end',
    (p) => void p.records.splice(at(p, 1), 0, { ...p.records[1]! }),
    /after staticDataEnd/,
  ],
  [
    'pages before STATIC_DATA_END',
    (p) => void p.records.unshift(p.records.splice(at(p, 1), 1)[0]!),
    /pageData before/,
  ],
  [
    'a version 2 stream with STATIC_DATA_END',
    ({ head }) => head.writeUInt32BE(2, 12),
    /unknown to version 2/,
  ],
  ['no X86_PV_INFO', drop(RECORD.pvInfo), /no pvInfo/],
  ['no P2M frames', drop(RECORD.pvP2mFrames), /no pvP2mFrames/],
  ['no pages', drop(RECORD.pageData), /no pageData/],
  ['no SHARED_INFO', drop(RECORD.sharedInfo), /no sharedInfo/],
  ['a CPU before the pages', (p) => insert(1, p.records[at(p, 4)]!)(p), /vcpuBasic before pageData/],
  [
    'HVM state in a PV domain',
    insert(RECORD.end, make(RECORD.hvmContext, Buffer.alloc(8))),
    /does not belong/,
  ],
  ['a guest width of 5', (p) => bytesOf(p, 2).writeUInt8(5, 8), /width 5/],
  ['5 levels', (p) => bytesOf(p, 2).writeUInt8(5, 9), /5 page table levels/],
  ['reserved bytes in PV_INFO', (p) => bytesOf(p, 2).writeUInt8(1, 12), /reserved bytes/],
  ['P2M frames for another range', (p) => bytesOf(p, 3).writeUInt32LE(512, 12), /does not fit the 2 frames/],
  ['an empty P2M range', (p) => bytesOf(p, 3).writeUInt32LE(99, 8), /is empty/],
  ['PAGE_DATA without entries', (p) => bytesOf(p, 1).writeUInt32LE(0, 8), /has 0 entries/],
  ['more entries than bytes', (p) => bytesOf(p, 1).writeUInt32LE(0xffff_ffff, 8), /entries/],
  ['a reserved word in PAGE_DATA', (p) => bytesOf(p, 1).writeUInt32LE(1, 12), /reserved word/],
  ['one entry too many', (p) => bytesOf(p, 1).writeUInt32LE(17, 8), /bytes for 1[67] pages/],
  ['an absent page with contents', (p) => bytesOf(p, 1).writeUInt8(0xf0, 16 + 7), /65536 bytes for 15 pages/],
  ['a reserved page type', (p) => bytesOf(p, 1).writeUInt8(0x50, 16 + 7), /page type 5/],
  ['reserved bits of an entry', (p) => bytesOf(p, 1).writeUInt8(0x10, 16 + 6), /bits 59 to 52/],
  ['page numbers that descend', (p) => bytesOf(p, 1).writeUInt8(9, 16), /do not ascend/],
  ['a SHARED_INFO of another size', (p) => insert(RECORD.end, make(7, Buffer.alloc(4088)))(p), /one page/],
  ['a reserved word in TSC_INFO', (p) => bytesOf(p, 8).writeUInt8(1, 8 + 20), /type 8 reserved/],
  ['a short TSC_INFO', insert(RECORD.end, make(8, Buffer.alloc(16))), /24 bytes/],
  ['a reserved word of a CPU', (p) => bytesOf(p, 4).writeUInt8(1, 8 + 4), /type 4 reserved/],
  ['a CPU record without context', insert(RECORD.end, make(RECORD.vcpuMsrs, Buffer.alloc(8))), /no context/],
  [
    'a torn CPUID policy',
    (p) => void p.records.splice(1, 1, make(0x11, Buffer.alloc(25))),
    /24 byte entries/,
  ],
  [
    'a record that the specification does not know',
    insert(RECORD.end, make(0x13, Buffer.alloc(0))),
    /type 19/,
  ],
  ['TOOLSTACK', insert(RECORD.end, make(RECORD.toolstack, Buffer.alloc(8))), /deprecated/],
  [
    'a dirty list forwards',
    insert(RECORD.end, make(RECORD.checkpointDirtyPfnList, Buffer.alloc(8))),
    /secondary/,
  ],
  ['padding that is not zero', insert(RECORD.end, make(0x8000_0001, Buffer.alloc(3), 1)), /padding/],
  ['VERIFY with a body', insert(RECORD.end, make(RECORD.verify, Buffer.alloc(8))), /no fields/],
  ['END with a body', (p) => void p.records.splice(-1, 1, make(RECORD.end, Buffer.alloc(8))), /no fields/],
  ['something after END', (p) => void p.records.push(make(0x8000_0001, Buffer.alloc(0))), /follow the end/],
  ['no END', (p) => void p.records.pop(), /ends inside a record header/],
  ['a checkpoint', insert(RECORD.end, make(RECORD.checkpoint, Buffer.alloc(0))), /not checked/],
  ['a record of 2 GiB', (p) => bytesOf(p, 8).writeUInt32LE(0x8000_0000, 4), /a record of 2147483648/],
];

const HVM: [string, (parts: Parts) => void, RegExp][] = [
  ['no HVM_CONTEXT', drop(RECORD.hvmContext), /no hvmContext/],
  ['an empty HVM_CONTEXT', insert(RECORD.end, make(RECORD.hvmContext, Buffer.alloc(0))), /type 9 is empty/],
  ['a wrong number of parameters', (p) => bytesOf(p, 10).writeUInt32LE(7, 8), /fit 7 parameters/],
  ['no parameters', insert(RECORD.end, make(RECORD.hvmParams, Buffer.alloc(8))), /no parameters/],
  ['a reserved word in HVM_PARAMS', (p) => bytesOf(p, 10).writeUInt32LE(7, 12), /type 10 reserved/],
  [
    'PV state in an HVM domain',
    insert(RECORD.end, make(RECORD.sharedInfo, Buffer.alloc(4096))),
    /does not belong/,
  ],
];

for (const [format, cases] of [
  ['libxc-pv', PV],
  ['libxc-pvh', HVM],
] as const) {
  describe(`the libxc checker on ${format}`, () => {
    for (const [name, damage, message] of cases) {
      it(`finds ${name}`, async () => {
        const parts = await goodStream(format);
        damage(parts);
        const stream = Buffer.concat([parts.head, ...parts.records.map(({ bytes }) => bytes)]);
        const { violations } = await checkLibxc(new MemorySource(stream, 999));
        assert.match(violations.map((one) => one.message).join('\n'), message);
      });
    }

    it('accepts optional records that it does not know', async () => {
      const parts = await goodStream(format);
      insert(RECORD.end, make(0x8000_0001, Buffer.alloc(3)))(parts);
      const stream = Buffer.concat([parts.head, ...parts.records.map(({ bytes }) => bytes)]);
      assert.deepEqual((await checkLibxc(new MemorySource(stream, 1))).violations, []);
    });
  });
}
