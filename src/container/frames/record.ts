// Ramferry's records in skippable frames and in gzip extra fields, which standard tools skip. Each record has its own checksum.
// Encodes and decodes plain bytes; the offset in the stream serves messages only.

import { xxh64 } from '../../chunk/xxhash.js';
import { CODEC_ID } from '../../codec/codec.js';
import { RamferryError } from '../../errors.js';

/** The standard formats that method `stream` writes; `zlib` means gzip members. */
export type FrameFormat = 'zstd' | 'lz4' | 'zlib';

/** Totals of a whole stream. */
export interface StreamTotals {
  /** Number of chunks. */
  readonly chunks: number;
  /** Decoded bytes of all chunks together. */
  readonly decodedBytes: number;
  /** XXH64 over the checksums of all chunks, in stream order (see TotalsDigest). */
  readonly digest: bigint;
}

export type FrameRecord =
  /** First record of a stream. Totals must follow; no chunk decodes to more than `maxDecoded` bytes. */
  | { readonly kind: 'announcement'; readonly format: FrameFormat; readonly maxDecoded: number }
  /** Last record of a stream. */
  | { readonly kind: 'totals'; readonly format: FrameFormat; readonly totals: StreamTotals }
  /** Sizes of one gzip member: its bytes, and its decoded bytes. */
  | {
      readonly kind: 'chunk';
      readonly format: FrameFormat;
      readonly encodedLength: number;
      readonly decodedLength: number;
    };

export const RECORD_MAGIC = Buffer.from('RamFerry', 'latin1');
const RECORD_VERSION = 1;
/** Offset of the codec (CODEC_ID) in a record. */
export const RECORD_CODEC_OFFSET = 10;
const HEADER_SIZE = 12;
const CHECK_SIZE = 4;

const KIND = { announcement: 1, totals: 2, chunk: 3 } as const;

/** Length in bytes of a record of each kind, checksum included. */
export const RECORD_SIZE = { announcement: 20, totals: 40, chunk: 24 } as const;
export const MAX_RECORD_SIZE = RECORD_SIZE.totals;

export function writeRecord(record: FrameRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_SIZE[record.kind]);
  RECORD_MAGIC.copy(bytes);
  bytes[8] = RECORD_VERSION;
  bytes[9] = KIND[record.kind];
  bytes[RECORD_CODEC_OFFSET] = CODEC_ID[record.format];
  switch (record.kind) {
    case 'announcement':
      bytes.writeUInt32LE(record.maxDecoded, HEADER_SIZE);
      break;
    case 'totals':
      bytes.writeBigUInt64LE(BigInt(record.totals.chunks), HEADER_SIZE);
      bytes.writeBigUInt64LE(BigInt(record.totals.decodedBytes), HEADER_SIZE + 8);
      bytes.writeBigUInt64LE(record.totals.digest, HEADER_SIZE + 16);
      break;
    case 'chunk':
      bytes.writeUInt32LE(record.encodedLength, HEADER_SIZE);
      bytes.writeUInt32LE(record.decodedLength, HEADER_SIZE + 4);
  }
  bytes.writeUInt32LE(check(bytes), bytes.length - CHECK_SIZE);
  return bytes;
}

/** @param offset offset of the record in the stream, for messages */
export function parseRecord(bytes: Uint8Array, offset: number): FrameRecord {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = (): RamferryError =>
    new RamferryError('ERR_STREAM_CHECKSUM', 'a ramferry record in the stream is damaged', { offset });
  if (view.length < HEADER_SIZE + CHECK_SIZE || !startsRecord(view)) throw damaged();
  if (view[8] !== RECORD_VERSION) {
    throw new RamferryError('ERR_STREAM_VERSION', `record version ${String(view[8])} is not known`, {
      offset,
      hint: 'The sender is newer than this ramferry, or the stream is damaged.',
    });
  }
  if (view.readUInt32LE(view.length - CHECK_SIZE) !== check(view)) throw damaged();
  const format = (['zstd', 'lz4', 'zlib'] as const).find(
    (name) => CODEC_ID[name] === view[RECORD_CODEC_OFFSET],
  );
  const kind = (['announcement', 'totals', 'chunk'] as const).find((name) => KIND[name] === view[9]);
  if (format === undefined || kind === undefined || view[11] !== 0 || view.length !== RECORD_SIZE[kind]) {
    throw new RamferryError('ERR_STREAM_FORMAT', 'a ramferry record in the stream makes no sense', {
      offset,
    });
  }
  switch (kind) {
    case 'announcement':
      return { kind, format, maxDecoded: view.readUInt32LE(HEADER_SIZE) };
    case 'totals': {
      const chunks = Number(view.readBigUInt64LE(HEADER_SIZE));
      const decodedBytes = Number(view.readBigUInt64LE(HEADER_SIZE + 8));
      if (!Number.isSafeInteger(chunks) || !Number.isSafeInteger(decodedBytes)) {
        throw new RamferryError('ERR_STREAM_FORMAT', 'the totals of the stream exceed 2^53 - 1', { offset });
      }
      return {
        kind,
        format,
        totals: {
          chunks,
          decodedBytes,
          digest: view.readBigUInt64LE(HEADER_SIZE + 16),
        },
      };
    }
    case 'chunk':
      return {
        kind,
        format,
        encodedLength: view.readUInt32LE(HEADER_SIZE),
        decodedLength: view.readUInt32LE(HEADER_SIZE + 4),
      };
  }
}

/** Whether `bytes` begin with a record's magic. */
export function startsRecord(bytes: Uint8Array): boolean {
  return bytes.length >= RECORD_MAGIC.length && RECORD_MAGIC.equals(bytes.subarray(0, RECORD_MAGIC.length));
}

function check(record: Buffer): number {
  return Number(xxh64(record.subarray(0, record.length - CHECK_SIZE)) & 0xffffffffn);
}
