// The headers of what Xen toolstacks put around libxc streams, read one at a time from complete bytes: `xl save` files, libxl
// streams, xenopsd images; and how COMPRESSED_BYTES begin in their place. Pure functions; the walk (xen-wrapping.ts) decides.

import { LIBXC_MAGIC, readU32, RECORD_HEADER_BYTES, startsWith, XENGUEST_RECORD } from './libxc-format.js';

/** The first bytes by which each kind of Xen stream is known. */
export const XEN_MAGICS = {
  libxc: LIBXC_MAGIC,
  libxl: Buffer.from('LibxlFmt', 'latin1') as Uint8Array,
  xl: Buffer.from('Xen saved domain, xl format\n \0 \r', 'latin1') as Uint8Array,
  xenopsd: Buffer.from('XenSavedDomv2-\n', 'latin1') as Uint8Array,
} as const;
export type XenKind = keyof typeof XEN_MAGICS;

/** Bytes of the headers that are read whole. */
export const XEN_HEADER_BYTES = {
  libxl: 16,
  'libxl record': RECORD_HEADER_BYTES,
  // magic, u32 byte order, u32 mandatory flags, u32 optional flags, u32 length of the optional data (xl.h)
  xl: 32 + 16,
  xenopsd: 15,
  // u64 type, u64 length
  'xenopsd record': 16,
} as const;

const LIBXL_VERSION = 2;
const LIBXL_OPTION_BIG_ENDIAN = 1;
/** xl.h, SAVEFILE_BYTEORDER_VALUE. */
const XL_BYTE_ORDER = 0x01020304;

/** Types of xenopsd's headers (xen-api, suspend_image.ml): those with a stream behind them, and the last. */
const XENOPSD_LIBXC = 0x00f0;
const XENOPSD_LIBXL = 0x00f1;
const XENOPSD_END = 0xffff;
/** Xenops, Qemu (two), Varstored, Swtpm (two): a header and as many bytes as it says. */
const XENOPSD_COUNTED: readonly number[] = [0x000f, 0x0f00, 0x0f01, 0x0f11, 0x0f12, 0x0f13];

interface Unknown {
  readonly unknown: string;
}

/** @returns how many bytes of optional data follow */
export function readXlHeader(data: Uint8Array, at: number): { readonly optionalBytes: number } | Unknown {
  if (!startsWith(data, at, XEN_MAGICS.xl)) return { unknown: 'no xl header' };
  const little = readU32(data, at + 32, false) === XL_BYTE_ORDER;
  if (!little && readU32(data, at + 32, true) !== XL_BYTE_ORDER) {
    return { unknown: 'xl header of unknown byte order' };
  }
  return { optionalBytes: readU32(data, at + 44, !little) };
}

export function readLibxlHeader(data: Uint8Array, at: number): { readonly bigEndian: boolean } | Unknown {
  if (!startsWith(data, at, XEN_MAGICS.libxl)) return { unknown: 'no libxl stream header' };
  const version = readU32(data, at + 8, true);
  if (version !== LIBXL_VERSION) return { unknown: `libxl stream version ${version}` };
  return { bigEndian: (readU32(data, at + 12, true) & LIBXL_OPTION_BIG_ENDIAN) !== 0 };
}

/** What follows a header of a xenopsd image. */
export type XenopsdRecord =
  | { readonly what: 'libxc' | 'libxl' | 'end' }
  | { readonly what: 'counted'; readonly length: number }
  | { readonly what: 'unknown'; readonly because: string };

export function readXenopsdRecord(data: Uint8Array, at: number): XenopsdRecord {
  const type = readU64(data, at);
  const length = readU64(data, at + 8);
  const name = `0x${type.toString(16)}`;
  if (type === XENOPSD_LIBXC) return { what: 'libxc' };
  if (type === XENOPSD_LIBXL) return { what: 'libxl' };
  if (type === XENOPSD_END) return { what: 'end' };
  if (!XENOPSD_COUNTED.includes(type)) {
    const because = `xenopsd record ${name}, whose length is not told or whose type is unknown`;
    return { what: 'unknown', because };
  }
  if (length > Number.MAX_SAFE_INTEGER) {
    return { what: 'unknown', because: `xenopsd record ${name} of impossible length` };
  }
  return { what: 'counted', length };
}

/** The type of a COMPRESSED_BYTES record in both byte orders. */
const BYTES_TYPES = [true, false].map((bigEndian) => {
  const type = Buffer.alloc(4);
  if (bigEndian) type.writeUInt32BE(XENGUEST_RECORD.bytes);
  else type.writeUInt32LE(XENGUEST_RECORD.bytes);
  return { bigEndian, type };
});

/** Whether a COMPRESSED_BYTES record begins at data[at], and in which byte order; true = more bytes are needed to tell. */
export function beginsBytes(data: Uint8Array, at: number): { readonly bigEndian: boolean } | boolean {
  const available = data.length - at;
  const found = BYTES_TYPES.find(({ type }) => startsWith(data, at, type.subarray(0, available)));
  if (found === undefined) return false;
  return available < found.type.length ? true : { bigEndian: found.bigEndian };
}

/** Little-endian; beyond 2^53 it is inexact, and still beyond. */
function readU64(data: Uint8Array, at: number): number {
  return readU32(data, at + 4, false) * 0x1_0000_0000 + readU32(data, at, false);
}
