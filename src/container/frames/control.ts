// Control units: the announcement at the start of a ramferry stream and the totals at its end. Standard tools skip them.
// Builds and parses control units. The parser accepts a unit only if its bytes equal those built from its record.

import { RamferryError } from '../../errors.js';
import { GZIP_RECORD_OFFSET, PZSTD_HEADER_SIZE } from './bounds.js';
import { MAGIC } from './limits.js';
import { parseRecord, writeRecord, type FrameFormat, type FrameRecord, type StreamTotals } from './record.js';

const SKIPPABLE_HEADER_SIZE = 8;

/** Empty deflate data, then the CRC-32 and the size of an empty input. */
const EMPTY_GZIP_TAIL = Buffer.from('03000000000000000000', 'hex');

/** The first bytes of a stream. A receiver that reads them requires totals at the end. */
export function announcementUnit(format: FrameFormat, maxDecoded: number): Buffer {
  return controlUnit({ kind: 'announcement', format, maxDecoded });
}

/** The last bytes of a stream. */
export function totalsUnit(format: FrameFormat, totals: StreamTotals): Buffer {
  return controlUnit({ kind: 'totals', format, totals });
}

export function writePzstdHeader(target: Uint8Array, length: number): void {
  const view = new DataView(target.buffer, target.byteOffset, PZSTD_HEADER_SIZE);
  view.setUint32(0, MAGIC.pzstd, true);
  view.setUint32(4, 4, true);
  view.setUint32(8, length, true);
}

/**
 * The header of a gzip member with a record in subfield "RF".
 * Contains no time, name or host-dependent flag, so every host writes the same bytes.
 */
export function gzipHeader(record: Uint8Array): Buffer {
  const header = Buffer.alloc(GZIP_RECORD_OFFSET + record.length);
  header.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255]);
  header.writeUInt16LE(record.length + 4, 10);
  header.write('RF', 12, 'latin1');
  header.writeUInt16LE(record.length, 14);
  header.set(record, GZIP_RECORD_OFFSET);
  return header;
}

/** Offset of the record in a control unit of this format. */
export function controlRecordOffset(format: FrameFormat): number {
  return format === 'zlib' ? GZIP_RECORD_OFFSET : PZSTD_HEADER_SIZE + SKIPPABLE_HEADER_SIZE;
}

/** Length of a control unit whose record has `recordLength` bytes. */
export function controlLength(format: FrameFormat, recordLength: number): number {
  return controlRecordOffset(format) + recordLength + (format === 'zlib' ? EMPTY_GZIP_TAIL.length : 0);
}

/** Parses a whole control unit. Throws when any byte differs from what {@link controlUnit} writes. */
export function parseControlUnit(unit: Uint8Array, format: FrameFormat, offset: number): FrameRecord {
  const start = controlRecordOffset(format);
  const end = unit.length - (controlLength(format, 0) - start);
  const record = parseRecord(unit.subarray(start, end), offset);
  if (record.format !== format || !controlUnit(record).equals(unit)) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'the frame around a ramferry record is damaged', { offset });
  }
  return record;
}

function controlUnit(record: FrameRecord): Buffer {
  const bytes = writeRecord(record);
  if (record.format === 'zlib') return Buffer.concat([gzipHeader(bytes), EMPTY_GZIP_TAIL]);
  const unit = Buffer.alloc(controlLength(record.format, bytes.length));
  writePzstdHeader(unit, unit.length - PZSTD_HEADER_SIZE);
  unit.writeUInt32LE(MAGIC.ramferry, PZSTD_HEADER_SIZE);
  unit.writeUInt32LE(bytes.length, PZSTD_HEADER_SIZE + 4);
  unit.set(bytes, PZSTD_HEADER_SIZE + SKIPPABLE_HEADER_SIZE);
  return unit;
}
