// The data of sections beside ram that describe themselves: each format says how long the next item is, and whether the section ends
// behind it. A format looks at one item at a time and has no state. Only the lengths are read, never the contents.
// Sources: QEMU migration/block-dirty-bitmap.c, migration/block.c (until 9.0), hw/vfio/migration.c, hw/ppc/spapr.c,
// hw/s390x/s390-stattrib.c, hw/virtio/virtio-mem.c, checked from 7.2 to 11.x.

import { readU16, readU32 } from './fields.js';
import { SECTION } from './format.js';

/** One item of a section: a head, and bytes behind it. */
export interface LiveItem {
  /** Bytes of the head. */
  readonly head: number;
  /** Bytes behind the head whose values do not matter; 0 by default. */
  readonly bytes?: number;
  /** The section's data ends behind the item. */
  readonly ends?: boolean;
}

/**
 * Reads the item at `at`.
 * @returns undefined where it is not complete; a text where it differs from what QEMU writes
 */
export type LiveFormat = (data: Uint8Array, at: number) => LiveItem | string | undefined;

/** A length above this is not what QEMU writes: bitmaps and tables come in pieces, a device's data in buffers of some MiB. */
const MAX_BYTES = 2 ** 40;

function readU64(data: Uint8Array, at: number): number {
  return readU32(data, at) * 2 ** 32 + readU32(data, at + 4);
}

/** Behind these items the section may end without an end mark: a footer follows, or another item, which never begins with 0x7E. */
function endsAtFooter(data: Uint8Array, at: number, head: number): LiveItem | undefined {
  const next = data[at + head];
  return next === undefined ? undefined : { head, ends: next === SECTION.footer };
}

/** DIRTY_BITMAP_MIG_FLAG_* of block-dirty-bitmap.c. */
const BITMAP = {
  eos: 0x01,
  zeroes: 0x02,
  bitmapName: 0x04,
  deviceName: 0x08,
  start: 0x10,
  complete: 0x20,
  bits: 0x40,
  /** The flags have two bytes, or four where the second byte has this bit, too (qemu_get_bitmap_flags). */
  extra: 0x80,
} as const;

/**
 * Flags, names where the flags say so, then by flag START: u32 granularity, u8 flags; COMPLETE: nothing; BITS: u64 first sector, u32
 * sectors, and without ZEROES u64 length and the bits.
 */
const dirtyBitmap: LiveFormat = (data, at) => {
  let flags = data[at]!;
  let head = 1;
  if ((flags & BITMAP.extra) !== 0) {
    if (data.length - at < 4) return undefined;
    head = (data[at + 1]! & BITMAP.extra) === 0 ? 2 : 4;
    flags = data[at + head - 1]!;
  }
  for (const name of [BITMAP.deviceName, BITMAP.bitmapName]) {
    if ((flags & name) === 0) continue;
    const length = data[at + head];
    if (length === undefined) return undefined;
    head += 1 + length;
  }
  const ends = (flags & BITMAP.eos) !== 0;
  if ((flags & BITMAP.start) !== 0) head += 5;
  else if ((flags & BITMAP.complete) === 0 && (flags & BITMAP.bits) !== 0) {
    head += 12;
    if ((flags & BITMAP.zeroes) === 0) {
      head += 8;
      if (data.length - at < head) return undefined;
      return { head, bytes: readU64(data, at + head - 8), ends };
    }
  } else if ((flags & BITMAP.complete) === 0 && !ends)
    return `dirty bitmap with flags 0x${flags.toString(16)}`;
  return data.length - at < head ? undefined : { head, ends };
};

/** VFIO_MIG_FLAG_*: 0xffffffffef10 and a number. CONFIG_STATE has no length, but comes behind RAM, in a FULL section. */
const VFIO = {
  high: 0xffffffff,
  low: 0xef100000,
  endOfState: 1,
  setupState: 3,
  dataState: 4,
  /** Since 8.1, with switchover-ack: in the place of END_OF_STATE. */
  initDataSent: 5,
  /** Since 10.1, with multifd. */
  configLoadReady: 6,
} as const;

/** u64 flag; DATA_STATE: u64 length and the device's data. Up to END_OF_STATE. */
const vfio: LiveFormat = (data, at) => {
  if (data.length - at < 8) return undefined;
  const flag = readU32(data, at + 4) - VFIO.low;
  if (readU32(data, at) !== VFIO.high) return 'VFIO section in an unknown form';
  switch (flag) {
    case VFIO.endOfState:
      return { head: 8, ends: true };
    case VFIO.setupState:
      return { head: 8 };
    case VFIO.dataState:
      return data.length - at < 16 ? undefined : { head: 16, bytes: readU64(data, at + 8) };
    case VFIO.initDataSent:
    case VFIO.configLoadReady:
      return endsAtFooter(data, at, 8);
    default:
      return `VFIO section with flag ${flag}`;
  }
};

/** Bytes of a hash page table entry (HASH_PTE_SIZE_64). */
const HPTE_BYTES = 16;

/**
 * The section of spapr.c begins with a u32: -1 = no hash table, else at START its size in bits, and at PART and END 0. Behind 0 come
 * pieces: u32 index, u16 valid entries, u16 invalid ones, and the valid entries. All zeros end the section. A piece with index 0 and
 * nothing else is that end, so the first word and a piece differ by their place only.
 */
function htab(first: boolean): LiveFormat {
  return (data, at) => {
    if (first) {
      if (data.length - at < 4) return undefined;
      return { head: 4, ends: readU32(data, at) !== 0 };
    }
    if (data.length - at < 8) return undefined;
    const valid = readU16(data, at + 4);
    const ends = valid === 0 && readU16(data, at + 6) === 0 && readU32(data, at) === 0;
    return { head: 8, bytes: valid * HPTE_BYTES, ends };
  };
}

/** STATTR_FLAG_* of s390-stattrib.c, in the low bits of a guest address. */
const STATTR = { eos: 1, more: 2, done: 8 } as const;

/** u64 words: MORE has a u64 length and attributes, EOS ends the section; after DONE there may be no EOS. */
const storageAttributes: LiveFormat = (data, at) => {
  if (data.length - at < 8) return undefined;
  const flags = readU32(data, at + 4) & 0xfff;
  switch (flags) {
    case STATTR.eos:
      return { head: 8, ends: true };
    case STATTR.more:
      return data.length - at < 16 ? undefined : { head: 16, bytes: readU64(data, at + 8) };
    case STATTR.done:
      return endsAtFooter(data, at, 8);
    default:
      return `storage attributes with flags 0x${flags.toString(16)}`;
  }
};

/** BLK_MIG_FLAG_* of block.c, in the low 9 bits of a sector's byte address. */
const BLOCK = { data: 1, eos: 2, progress: 4, zero: 8, mask: 0x1ff, bytes: 2 ** 20 } as const;

/** u64 words: DATA has the device's name and, without ZERO, 1 MiB. */
const blockMigration: LiveFormat = (data, at) => {
  if (data.length - at < 8) return undefined;
  const flags = readU32(data, at + 4) & BLOCK.mask;
  if (flags === BLOCK.eos) return { head: 8, ends: true };
  if (flags === BLOCK.progress) return { head: 8 };
  if ((flags & ~BLOCK.zero) !== BLOCK.data) return `block section with flags 0x${flags.toString(16)}`;
  const length = data[at + 8];
  if (length === undefined || data.length - at < 9 + length) return undefined;
  return { head: 9 + length, bytes: (flags & BLOCK.zero) === 0 ? BLOCK.bytes : 0 };
};

/** Bytes before the bitmap: u64 address, u64 size of the region, u64 block size, u32 node, u64 plugged size. */
const VIRTIO_MEM_HEAD = 36;

/** A FULL section: one bit for each block of the device's region, in words of 64 bits (vmstate_virtio_mem_device_early). */
const virtioMem: LiveFormat = (data, at) => {
  if (data.length - at < VIRTIO_MEM_HEAD) return undefined;
  const blockBytes = readU64(data, at + 16);
  const bytes = Math.ceil(readU64(data, at + 8) / blockBytes / 64) * 8;
  if (!(blockBytes >= 4096 && bytes > 0)) return 'virtio-mem in an unknown form';
  return { head: VIRTIO_MEM_HEAD, bytes, ends: true };
};

/** The formats of one kind of section. */
export interface LiveKind {
  /** The first item of a section. */
  readonly first: LiveFormat;
  /** Every other item. */
  readonly next: LiveFormat;
}

const SAME = (format: LiveFormat): LiveKind => ({ first: format, next: format });

/** Sections that START announces, by their whole name, or by its last part where a device's path precedes it. */
const LIVE: ReadonlyMap<string, LiveKind> = new Map([
  ['dirty-bitmap', SAME(dirtyBitmap)],
  ['block', SAME(blockMigration)],
  ['vfio', SAME(vfio)],
  ['spapr/htab', { first: htab(true), next: htab(false) }],
  ['s390-storage_attributes', SAME(storageAttributes)],
]);

/** FULL sections that may precede ram. */
const EARLY: ReadonlyMap<string, LiveKind> = new Map([['virtio-mem-device-early', SAME(virtioMem)]]);

/** @returns undefined for a section of an unknown format */
export function liveKind(name: string, full: boolean): LiveKind | undefined {
  const kinds = full ? EARLY : LIVE;
  return kinds.get(name) ?? kinds.get(name.slice(name.lastIndexOf('/') + 1));
}

export function isPlausibleLength(bytes: number): boolean {
  return bytes <= MAX_BYTES;
}
