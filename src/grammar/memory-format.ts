// The format of the stream of `ramferry migrate`: pages by region and number, in rounds, then the device state as the
// hypervisor wrote it. Little-endian. This file packs and checks headers; it does no I/O.
//
//   stream header   magic, u16 version, u16 flags, u32 regions, per region u64 size in bytes
//   record header   u32 type, u32 region, u64 count
//   PAGES           count × u64 page number, then count × 4096 bytes
//   ROUND, RAM_END  no body; count is the number of the round that ends
//   STATE           count bytes of device state
//   END             no body

import { Buffer } from 'node:buffer';

import { RamferryError } from '../errors.js';
import { MIB } from '../units.js';
import { PAGE_BYTES } from '../page/size.js';

const MEMORY_MAGIC = Buffer.from([0x89, 0x52, 0x46, 0x4d, 0x0d, 0x0a, 0x1a, 0x0a]);
const MEMORY_VERSION = 1;

/** The destination hashes its RAM before the handover and sends the hash. */
export const MEMORY_FLAG_HASH = 1;
/** Regions are in the order of `ramBackends` in the destination's hello: the source has matched them by id. */
export const MEMORY_FLAG_MATCHED = 2;
const MEMORY_FLAGS = MEMORY_FLAG_HASH | MEMORY_FLAG_MATCHED;

/** Bytes of the stream header before the sizes. */
export const MEMORY_HEADER_BYTES = 16;
export const MEMORY_RECORD_BYTES = 16;

export const MEMORY_RECORD = { pages: 1, round: 2, ramEnd: 3, state: 4, end: 5 } as const;

/** A guest has a few memory backends. */
const MAX_REGIONS = 256;
/** Most pages of one PAGES record. */
const MAX_RECORD_PAGES = 4096;
/** Most bytes of one STATE record. */
export const MAX_STATE_BYTES = MIB;

export interface MemoryRecord {
  readonly type: number;
  readonly region: number;
  readonly count: number;
}

/** @param sizes bytes of each region */
export function writeMemoryHeader(sizes: readonly number[], flags = 0): Buffer {
  const out = Buffer.alloc(MEMORY_HEADER_BYTES + sizes.length * 8);
  MEMORY_MAGIC.copy(out);
  out.writeUInt16LE(MEMORY_VERSION, 8);
  out.writeUInt16LE(flags, 10);
  out.writeUInt32LE(sizes.length, 12);
  sizes.forEach((size, index) => out.writeBigUInt64LE(BigInt(size), MEMORY_HEADER_BYTES + index * 8));
  return out;
}

/**
 * Reads the header at bytes[0, 16).
 * @throws ERR_STREAM_MAGIC, ERR_STREAM_VERSION, ERR_STREAM_FEATURE, ERR_STREAM_LIMIT
 */
export function readMemoryHeader(bytes: Buffer): { readonly regions: number; readonly flags: number } {
  if (bytes.compare(MEMORY_MAGIC, 0, 8, 0, 8) !== 0) {
    throw new RamferryError('ERR_STREAM_MAGIC', 'the stream is not one of `ramferry migrate`', {
      offset: 0,
      hint: '`incoming` belongs to `migrate`, `receive` to `send`',
    });
  }
  const version = bytes.readUInt16LE(8);
  const flags = bytes.readUInt16LE(10);
  if (version !== MEMORY_VERSION) {
    throw new RamferryError(
      'ERR_STREAM_VERSION',
      `the guest memory stream has version ${version}, expected ${MEMORY_VERSION}`,
      { offset: 8, hint: 'use the same ramferry on both sides' },
    );
  }
  if ((flags & ~MEMORY_FLAGS) !== 0) {
    throw new RamferryError('ERR_STREAM_FEATURE', 'the source requires a feature that this version lacks', {
      offset: 10,
      hint: 'use the same ramferry on both sides',
    });
  }
  const regions = bytes.readUInt32LE(12);
  if (regions < 1 || regions > MAX_REGIONS) {
    throw new RamferryError('ERR_STREAM_LIMIT', `the stream announces ${regions} memory regions`, {
      offset: 12,
    });
  }
  return { regions, flags };
}

export function writeMemoryRecord(type: number, region: number, count: number): Buffer {
  const out = Buffer.alloc(MEMORY_RECORD_BYTES);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(region, 4);
  out.writeBigUInt64LE(BigInt(count), 8);
  return out;
}

/** The header and the page numbers of a PAGES record. */
export function writePagesHead(region: number, numbers: readonly number[]): Buffer {
  const out = Buffer.alloc(MEMORY_RECORD_BYTES + numbers.length * 8);
  writeMemoryRecord(MEMORY_RECORD.pages, region, numbers.length).copy(out);
  numbers.forEach((number, index) => out.writeBigUInt64LE(BigInt(number), MEMORY_RECORD_BYTES + index * 8));
  return out;
}

/** Reads the record header at bytes[0, 16). @returns undefined when it is invalid */
export function readMemoryRecord(bytes: Buffer): MemoryRecord | undefined {
  const type = bytes.readUInt32LE(0);
  const region = bytes.readUInt32LE(4);
  const count = Number(bytes.readBigUInt64LE(8));
  const limit = LIMIT_OF[type];
  return limit === undefined || count > limit ? undefined : { type, region, count };
}

const LIMIT_OF: Readonly<Record<number, number>> = {
  [MEMORY_RECORD.pages]: MAX_RECORD_PAGES,
  [MEMORY_RECORD.round]: Number.MAX_SAFE_INTEGER,
  [MEMORY_RECORD.ramEnd]: Number.MAX_SAFE_INTEGER,
  [MEMORY_RECORD.state]: MAX_STATE_BYTES,
  [MEMORY_RECORD.end]: 0,
};

/**
 * Identities count through the regions in order.
 * @returns for each region the identity of its first page
 */
export function firstPages(sizes: readonly number[]): number[] {
  let before = 0;
  return sizes.map((size) => {
    const first = before;
    before += size / PAGE_BYTES;
    return first;
  });
}
