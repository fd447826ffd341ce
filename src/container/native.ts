// The native container (docs/FORMAT.md): stream header, chunk records, END record.
// Reads and writes the stream header and the END record. src/chunk reads and writes the chunk records. Does no I/O.

import { Buffer } from 'node:buffer';

import { CHECKSUM_ID, rangeIsSealed, RunningChecksum, sealRange } from '../chunk/checksum.js';
import { MAX_STORE_PAGES } from '../chunk/page-store.js';
import { type ChunkHeader, MAX_CHUNK_BYTES, RECORD } from '../chunk/record.js';
import { RamferryError } from '../errors.js';
import { GRAMMAR_ID } from '../grammar/grammar.js';
import type { Beginning } from '../io/bytes.js';
import { PAGE_BYTES } from '../page/size.js';
import type { StreamSums } from './sums.js';

/** The first byte is not ASCII. The line ends after the name show a transfer in text mode, which would change them. */
export const NATIVE_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x59, 0x0d, 0x0a, 0x1a, 0x0a]);

export const NATIVE_VERSION = 1;
export const STREAM_HEADER_BYTES = 64;
export const END_RECORD_BYTES = 80;

/** Largest reorder window: a receiver holds at most this many chunks that arrived ahead of their turn. */
export const MAX_WINDOW = 256;

const UNKNOWN_LENGTH = 0xffff_ffff_ffff_ffffn;

/** The header of a native stream. */
export interface StreamHeader {
  /** GRAMMAR_ID of the grammar that the sender used; informative. */
  readonly grammar: number;
  /** Most decoded bytes of a chunk. */
  readonly maxChunk: number;
  /** Reorder window: a chunk record comes less than this many records before its turn; 1 = strictly in order. */
  readonly window: number;
  /** Bytes of the page store that the receiver must mirror: whole pages, 0 = none. */
  readonly storeBytes: number;
  /** Decoded length of the stream; undefined when the sender did not know it. */
  readonly totalLength: number | undefined;
  /** Bytes of the decoded stream that the receiver has from an earlier transfer; the first chunk follows them. Absent = none. */
  readonly start?: number;
}

export function writeStreamHeader(header: StreamHeader): Buffer {
  const out = Buffer.alloc(STREAM_HEADER_BYTES);
  NATIVE_MAGIC.copy(out, 0);
  out.writeUInt16LE(NATIVE_VERSION, 8);
  out.writeUInt16LE(STREAM_HEADER_BYTES, 10);
  out.writeUInt32LE(0, 12);
  out.writeUInt8(CHECKSUM_ID.xxh64, 16);
  out.writeUInt8(header.grammar, 17);
  out.writeUInt16LE(12, 18);
  out.writeUInt32LE(header.maxChunk, 20);
  out.writeUInt32LE(header.window, 24);
  out.writeBigUInt64LE(BigInt(header.storeBytes), 32);
  out.writeBigUInt64LE(header.totalLength === undefined ? UNKNOWN_LENGTH : BigInt(header.totalLength), 40);
  out.writeBigUInt64LE(BigInt(header.start ?? 0), 48);
  sealRange(out, 0, 56);
  return out;
}

/** The place of errors in the header. */
const HEADER_PLACE = { record: 0, offset: 0 };
const NEWER = { ...HEADER_PLACE, hint: 'use a newer ramferry on the receiving side' };

/**
 * @param start where the stream must begin: bytes that this side has from an earlier transfer
 * @throws ERR_STREAM_MAGIC, ERR_STREAM_VERSION, ERR_STREAM_CHECKSUM, ERR_STREAM_FEATURE, ERR_STREAM_LIMIT; ERR_LINK_NEGOTIATION when the
 *   stream begins at its first byte although this side has told from where to continue
 */
export function readStreamHeader(bytes: Buffer, start = 0): StreamHeader {
  checkVersion(bytes);
  if (!rangeIsSealed(bytes, 0, 56)) {
    throw new RamferryError(
      'ERR_STREAM_CHECKSUM',
      "the stream's header does not match its checksum",
      HEADER_PLACE,
    );
  }
  checkStart(bytes, start);
  checkFeatures(bytes);
  const total = bytes.readBigUInt64LE(40);
  const store = bytes.readBigUInt64LE(32);
  const header = {
    grammar: bytes.readUInt8(17),
    maxChunk: bytes.readUInt32LE(20),
    window: bytes.readUInt32LE(24),
    storeBytes: Number(store),
    totalLength: total === UNKNOWN_LENGTH ? undefined : Number(total),
  };
  const tooLarge =
    header.maxChunk < 1 ||
    header.maxChunk > MAX_CHUNK_BYTES ||
    header.window < 1 ||
    header.window > MAX_WINDOW ||
    store > BigInt(MAX_STORE_PAGES * PAGE_BYTES) ||
    store % BigInt(PAGE_BYTES) !== 0n ||
    (total !== UNKNOWN_LENGTH && total > BigInt(Number.MAX_SAFE_INTEGER));
  if (tooLarge) {
    throw new RamferryError(
      'ERR_STREAM_LIMIT',
      "the stream's header exceeds the limits of the format",
      HEADER_PLACE,
    );
  }
  return header;
}

function checkVersion(bytes: Buffer): void {
  if (bytes.compare(NATIVE_MAGIC, 0, 8, 0, 8) !== 0) {
    throw new RamferryError('ERR_STREAM_MAGIC', 'this is not a ramferry stream', {
      offset: 0,
      hint: 'give `receive` what `ramferry send` wrote',
    });
  }
  const version = bytes.readUInt16LE(8);
  if (version === NATIVE_VERSION) return;
  const text = `the stream has version ${version}, this is for version ${NATIVE_VERSION}`;
  throw new RamferryError('ERR_STREAM_VERSION', text, NEWER);
}

/** Checks the fields that have one value in this version, and the grammar. */
function checkFeatures(bytes: Buffer): void {
  const grammars: readonly number[] = Object.values(GRAMMAR_ID);
  const known =
    bytes.readUInt16LE(10) === STREAM_HEADER_BYTES &&
    bytes.readUInt32LE(12) === 0 &&
    bytes.readUInt8(16) === CHECKSUM_ID.xxh64 &&
    grammars.includes(bytes.readUInt8(17)) &&
    bytes.readUInt16LE(18) === 12 &&
    bytes.readUInt32LE(28) === 0;
  if (!known) throw unknownFeature();
}

function checkStart(bytes: Buffer, start: number): void {
  const stated = bytes.readBigUInt64LE(48);
  if (stated === BigInt(start)) return;
  if (start === 0 || stated !== 0n) throw unknownFeature();
  throw new RamferryError(
    'ERR_LINK_NEGOTIATION',
    `the sender begins at the first byte, and not behind the ${start} bytes that are here already`,
    { hint: 'use a newer ramferry at the sender, or remove the partial output and its journal' },
  );
}

function unknownFeature(): RamferryError {
  const text = 'the stream uses features that this version does not have';
  return new RamferryError('ERR_STREAM_FEATURE', text, NEWER);
}

/** Totals that both sides count in sequence order. The receiver compares them at the END record. */
export class Totals {
  chunks = 0;
  decodedBytes = 0;
  /** Bytes of all chunk records. */
  recordBytes = 0;
  zero = 0;
  literal = 0;
  duplicate = 0;
  readonly #digest = new RunningChecksum();
  readonly #piece = Buffer.alloc(16);

  /** @param before what the receiver has from an earlier transfer: counts as bytes, and for the digest as one chunk */
  constructor(before?: Beginning) {
    if (before === undefined || before.bytes === 0) return;
    this.decodedBytes = before.bytes;
    this.#digested(before.digest, BigInt(before.bytes));
  }

  /** @param recordChecksum the eight bytes at the end of the chunk's record */
  add(header: ChunkHeader, recordLength: number, recordChecksum: bigint): void {
    this.chunks++;
    this.decodedBytes += header.decodedLength;
    this.recordBytes += recordLength;
    this.zero += header.zero;
    this.literal += header.literal;
    this.duplicate += header.duplicate;
    this.#digested(header.decodedChecksum, recordChecksum);
  }

  #digested(first: bigint, second: bigint): void {
    this.#piece.writeBigUInt64LE(first, 0);
    this.#piece.writeBigUInt64LE(second, 8);
    this.#digest.update(this.#piece);
  }

  /** XXH64 over (decoded checksum, record checksum) of every chunk in sequence order, behind (digest, length) of what came before. */
  digest(): bigint {
    return this.#digest.digest();
  }

  sums(): StreamSums {
    return { bytes: this.decodedBytes, chunks: this.chunks, digest: this.digest() };
  }

  /** The END record that states these totals. */
  record(): Buffer {
    const out = Buffer.alloc(END_RECORD_BYTES);
    out.writeUInt32LE(RECORD.end, 0);
    out.writeUInt32LE(END_RECORD_BYTES, 4);
    const values = [
      this.chunks,
      this.decodedBytes,
      this.recordBytes,
      this.zero,
      this.literal,
      this.duplicate,
    ];
    values.forEach((value, index) => out.writeBigUInt64LE(BigInt(value), 8 + index * 8));
    out.writeBigUInt64LE(this.digest(), 56);
    sealRange(out, 0, 72);
    return out;
  }

  /** @throws ERR_STREAM_CHECKSUM, ERR_STREAM_TOTALS when the END record differs from the counted totals */
  verify(end: Buffer, place: { record: number; offset: number }): void {
    if (!rangeIsSealed(end, 0, 72)) {
      throw new RamferryError('ERR_STREAM_CHECKSUM', 'the END record does not match its checksum', place);
    }
    if (end.compare(this.record()) !== 0) {
      const claimed = end.readBigUInt64LE(8);
      throw new RamferryError(
        'ERR_STREAM_TOTALS',
        `the END record states other totals than what was received (${claimed} chunks; received ${this.chunks})`,
        { ...place, hint: 'chunks are missing or were exchanged: the transfer must be repeated' },
      );
    }
  }
}
