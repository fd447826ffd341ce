// Method `xenguest`: ramferry's records in a libxc stream (docs/FORMAT.md, "Compressed page data in libxc streams").
// Encodes and decodes the envelope of a chunk record and the totals record, and keeps the totals of both sides.
// Knows the layout of libxc records, but no other part of the stream.

import { Buffer } from 'node:buffer';

import { CHECKSUM_BYTES, rangeIsSealed, RunningChecksum, sealRange } from '../chunk/checksum.js';
import { CHUNK_HEADER_BYTES, type ChunkHeader, MAX_CHUNK_BYTES } from '../chunk/record.js';
import { MAX_STORE_PAGES } from '../chunk/page-store.js';
import { RamferryError } from '../errors.js';
import { XENGUEST_RECORD } from '../grammar/xen/libxc-format.js';
import { PAGE_BYTES } from '../page/size.js';
import type { StreamSums } from './sums.js';

export { XENGUEST_RECORD } from '../grammar/xen/libxc-format.js';

/** "RMFY", little-endian in streams of either byte order. */
export const XENGUEST_MAGIC = 0x59464d52;
const VERSION = 1;

export const LIBXC_HEADER_BYTES = 8;
/** Bytes of magic, version, reserved field, most decoded bytes of a chunk, and pages of the page store. */
export const ENVELOPE_BYTES = 16;
/** Bytes of libxc header and envelope, in front of the chunk record. */
export const CHUNK_PREFIX_BYTES = LIBXC_HEADER_BYTES + ENVELOPE_BYTES;

const TOTALS_BODY_BYTES = 64;
export const TOTALS_RECORD_BYTES = LIBXC_HEADER_BYTES + TOTALS_BODY_BYTES;

/** The input was truncated: the totals record is its last record, and no END of the stream follows. */
const FLAG_CUT = 1;

export interface Envelope {
  /** Most decoded bytes of a chunk of this stream. */
  readonly maxChunk: number;
  /** Bytes of the page store that the receiver must mirror: whole pages, 0 = none. */
  readonly storeBytes: number;
}

export function writeLibxcHeader(
  out: Buffer,
  at: number,
  type: number,
  length: number,
  bigEndian: boolean,
): void {
  if (bigEndian) {
    out.writeUInt32BE(type, at);
    out.writeUInt32BE(length, at + 4);
  } else {
    out.writeUInt32LE(type, at);
    out.writeUInt32LE(length, at + 4);
  }
}

function pad8(length: number): number {
  return (length + 7) & ~7;
}

/**
 * Writes the libxc header and the envelope in front of the chunk record at out[CHUNK_PREFIX_BYTES, …), and padding after it.
 * @param type COMPRESSED_PAGE_DATA, or COMPRESSED_BYTES where the chunk holds bytes of unknown structure
 * @returns bytes of the whole libxc record
 */
export function envelop(
  out: Buffer,
  recordLength: number,
  envelope: Envelope,
  bigEndian: boolean,
  type: number = XENGUEST_RECORD.chunk,
): number {
  const body = pad8(ENVELOPE_BYTES + recordLength);
  writeLibxcHeader(out, 0, type, body, bigEndian);
  out.writeUInt32LE(XENGUEST_MAGIC, 8);
  out.writeUInt16LE(VERSION, 12);
  out.writeUInt16LE(0, 14);
  out.writeUInt32LE(envelope.maxChunk, 16);
  out.writeUInt32LE(envelope.storeBytes / PAGE_BYTES, 20);
  out.fill(0, CHUNK_PREFIX_BYTES + recordLength, LIBXC_HEADER_BYTES + body);
  return LIBXC_HEADER_BYTES + body;
}

function checkMagic(body: Buffer): void {
  if (body.length < ENVELOPE_BYTES || body.readUInt32LE(0) !== XENGUEST_MAGIC) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a record of our type does not begin with our magic');
  }
  const version = body.readUInt16LE(4);
  if (version !== VERSION) {
    throw new RamferryError(
      'ERR_STREAM_VERSION',
      `a compressed record has version ${version}, this is for version 1`,
      {
        hint: 'use a newer ramferry on the receiving side',
      },
    );
  }
}

/** @param body the first ENVELOPE_BYTES of a record's body. @throws ERR_STREAM_FORMAT, _VERSION, _LIMIT */
export function readEnvelope(body: Buffer): Envelope {
  checkMagic(body);
  if (body.readUInt16LE(6) !== 0) {
    throw new RamferryError(
      'ERR_STREAM_FEATURE',
      'a compressed record uses features that this version does not have',
    );
  }
  const maxChunk = body.readUInt32LE(8);
  if (maxChunk < 1 || maxChunk > MAX_CHUNK_BYTES) {
    throw new RamferryError('ERR_STREAM_LIMIT', `a compressed record announces chunks of ${maxChunk} bytes`);
  }
  const storePages = body.readUInt32LE(12);
  if (storePages > MAX_STORE_PAGES) {
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      `a compressed record announces a store of ${storePages} pages`,
    );
  }
  return { maxChunk, storeBytes: storePages * PAGE_BYTES };
}

/** @throws ERR_STREAM_FORMAT when the libxc record is not exactly envelope, chunk record and zero padding */
export function checkPadding(body: Buffer, recordLength: number): void {
  const used = ENVELOPE_BYTES + recordLength;
  if (body.length !== pad8(used) || body.subarray(used).some((byte) => byte !== 0)) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a compressed record has another length than its chunk');
  }
}

/** Totals that both sides count in stream order. A CHECKPOINT does not reset them. */
export class XenguestTotals {
  chunks = 0;
  /** Bytes of the restored stream so far, including the records that pass unchanged. */
  decodedBytes = 0;
  zero = 0;
  literal = 0;
  duplicate = 0;
  readonly #digest = new RunningChecksum();

  verbatim(bytes: Uint8Array): void {
    this.decodedBytes += bytes.length;
    this.#digest.update(bytes);
  }

  /**
   * @param envelope the ENVELOPE_BYTES in front of the chunk record
   * @param record the chunk record
   */
  chunk(header: ChunkHeader, envelope: Buffer, record: Buffer): void {
    this.chunks++;
    this.decodedBytes += header.decodedLength;
    this.zero += header.zero;
    this.literal += header.literal;
    this.duplicate += header.duplicate;
    this.#digest
      .update(envelope)
      .update(record.subarray(CHUNK_HEADER_BYTES - CHECKSUM_BYTES, CHUNK_HEADER_BYTES))
      .update(record.subarray(record.length - CHECKSUM_BYTES));
  }

  sums(): StreamSums {
    return { bytes: this.decodedBytes, chunks: this.chunks, digest: this.#digest.digest() };
  }

  /** @param cut whether the input was truncated here, without its END */
  record(bigEndian: boolean, cut: boolean): Buffer {
    const out = Buffer.alloc(TOTALS_RECORD_BYTES);
    writeLibxcHeader(out, 0, XENGUEST_RECORD.totals, TOTALS_BODY_BYTES, bigEndian);
    out.writeUInt32LE(XENGUEST_MAGIC, 8);
    out.writeUInt16LE(VERSION, 12);
    out.writeUInt16LE(cut ? FLAG_CUT : 0, 14);
    const counts = [this.chunks, this.decodedBytes, this.zero, this.literal, this.duplicate];
    counts.forEach((value, index) => out.writeBigUInt64LE(BigInt(value), 16 + index * 8));
    out.writeBigUInt64LE(this.#digest.digest(), 56);
    sealRange(out, 8, 64);
    return out;
  }

  /** @throws ERR_STREAM_CHECKSUM, ERR_STREAM_TOTALS when the record differs from the counted totals */
  verify(body: Buffer, cut: boolean): void {
    checkMagic(body);
    if (body.length !== TOTALS_BODY_BYTES || !rangeIsSealed(body, 0, TOTALS_BODY_BYTES - CHECKSUM_BYTES)) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'a totals record does not match its checksum');
    }
    if (!this.record(false, cut).subarray(LIBXC_HEADER_BYTES).equals(body)) {
      throw new RamferryError(
        'ERR_STREAM_TOTALS',
        `a totals record states other bytes than what was received (${body.readBigUInt64LE(16)}; received ${this.decodedBytes})`,
        { hint: 'records were lost or changed on the way: the migration must be repeated' },
      );
    }
  }
}

/** The first bytes of the totals record of a truncated input, in both byte orders: header, magic, version, flag. */
const CUT_BEGINNINGS = [false, true].map((bigEndian) =>
  new XenguestTotals().record(bigEndian, true).subarray(0, LIBXC_HEADER_BYTES + 8),
);

/** Whether these bytes are the totals record of a truncated input, in either byte order. */
export function isCutRecord(bytes: Buffer): boolean {
  return bytes.length === TOTALS_RECORD_BYTES && mayBeCutFrom(bytes, 0);
}

/**
 * Finds where the totals record of a truncated input may begin in the last bytes so far: the first offset from which all
 * bytes match the record's first bytes. Returns the length of the bytes when no offset matches. Records after which a
 * reader may answer are empty or end in zeros, so their end never matches.
 */
export function cutMayBeginAt(bytes: Buffer): number {
  let at = Math.max(0, bytes.length - TOTALS_RECORD_BYTES);
  while (at < bytes.length && !mayBeCutFrom(bytes, at)) at++;
  return at;
}

function mayBeCutFrom(bytes: Buffer, at: number): boolean {
  return CUT_BEGINNINGS.some((beginning) => {
    const known = Math.min(beginning.length, bytes.length - at);
    return bytes.compare(beginning, 0, known, at, at + known) === 0;
  });
}

/** Whether these bytes are totals with an error: at most one of libxc header and checksum is wrong. */
export function isDamagedTotals(bytes: Buffer): boolean {
  if (bytes.length !== TOTALS_RECORD_BYTES) return false;
  const headed = CUT_BEGINNINGS.some(
    (known) => bytes.compare(known, 0, LIBXC_HEADER_BYTES, 0, LIBXC_HEADER_BYTES) === 0,
  );
  return headed || rangeIsSealed(bytes, LIBXC_HEADER_BYTES, TOTALS_RECORD_BYTES - CHECKSUM_BYTES);
}

/** Whether a totals record ends a truncated input. */
export function isCut(totalsBody: Buffer): boolean {
  return totalsBody.length === TOTALS_BODY_BYTES && totalsBody.readUInt16LE(6) === FLAG_CUT;
}
