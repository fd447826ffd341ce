// Units of gzip: one member each. The member's extra field states its sizes, so a receiver finds the next member.
// The header contains no time, name or operating system, so every host writes the same bytes.

import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

import { checkLevel } from '../../../codec/level.js';
import { RamferryError } from '../../../errors.js';
import { GZIP_TAIL_SIZE, GZIP_UNIT_HEADER_SIZE, gzipUnitBound } from '../bounds.js';
import { gzipHeader } from '../control.js';
import { writeRecord } from '../record.js';
import type { UnitResult } from '../totals.js';
import { unitResult, viewOf, type UnitCoder } from '../unit.js';

/** zlib's smallest allowed output step. */
const MIN_STEP = 64;
const LEVELS = { min: 0, max: 9, default: 1, effective: true } as const;

export function gzipUnits(): UnitCoder {
  return { format: 'zlib', bound: gzipUnitBound, encode, decode };
}

function encode(dst: Uint8Array, src: Uint8Array, level: number): UnitResult {
  checkLevel('zlib', level, LEVELS);
  // The output step has the worst-case size, so zlib returns one piece and Node joins none.
  const body = deflateRawSync(src, { level, chunkSize: gzipUnitBound(src.length) });
  const encodedLength = GZIP_UNIT_HEADER_SIZE + body.length + GZIP_TAIL_SIZE;
  dst.set(
    gzipHeader(writeRecord({ kind: 'chunk', format: 'zlib', encodedLength, decodedLength: src.length })),
  );
  dst.set(body, GZIP_UNIT_HEADER_SIZE);
  const view = viewOf(dst);
  view.setUint32(encodedLength - GZIP_TAIL_SIZE, crc32(src), true);
  view.setUint32(encodedLength - 4, src.length, true);
  return unitResult(dst.subarray(0, encodedLength), src);
}

function decode(dst: Uint8Array, unit: Uint8Array, offset: number): UnitResult {
  const body = unit.subarray(GZIP_UNIT_HEADER_SIZE, unit.length - GZIP_TAIL_SIZE);
  const decoded = inflate(body, dst.length, offset);
  const view = viewOf(unit);
  if (decoded.length !== dst.length || view.getUint32(unit.length - 4, true) !== decoded.length) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a gzip member has another size than was announced', {
      offset,
    });
  }
  if (view.getUint32(unit.length - GZIP_TAIL_SIZE, true) !== crc32(decoded)) {
    throw new RamferryError('ERR_STREAM_CHECKSUM', 'a gzip member decodes to other bytes than were sent', {
      offset,
    });
  }
  dst.set(decoded);
  return unitResult(unit, dst);
}

/** Inflates all of body into at most `limit` bytes. */
function inflate(body: Uint8Array, limit: number, offset: number): Uint8Array {
  let result: unknown;
  try {
    result = inflateRawSync(body, {
      info: true,
      maxOutputLength: Math.max(1, limit),
      chunkSize: Math.max(MIN_STEP, limit),
    });
  } catch (cause) {
    throw new RamferryError('ERR_STREAM_CODEC', 'a gzip member is damaged', { offset, cause });
  }
  // With `info`, Node also returns the engine, which knows how many input bytes it consumed.
  const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
  if (engine.bytesWritten !== body.length) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a gzip member ends before its announced length', {
      offset,
    });
  }
  return buffer;
}
