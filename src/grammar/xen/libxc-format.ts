// The numbers of Xen's libxc migration stream (headers, record types, page types, limits), and readers of single fields.
// Source: Xen's docs/specs/libxc-migration-stream.pandoc (revision 3) and tools/libs/guest/xg_sr_stream_format.h. No state.

import { MIB } from '../../units.js';

/** Image header: u64 marker (all ones), u32 id "XENF", u32 version, u16 options, 6 reserved bytes; big-endian. */
export const IMAGE_HEADER_BYTES = 24;
/** Domain header: u32 type, u16 page_shift, u16 reserved, u32 xen_major, u32 xen_minor; in the stream's byte order. */
export const DOMAIN_HEADER_BYTES = 16;
/** Record header: u32 type, u32 body length; the body is padded to a multiple of 8. libxl frames its records in the same way. */
export const RECORD_HEADER_BYTES = 8;

/** The first 12 bytes of a libxc stream: marker and id. */
export const LIBXC_MAGIC: Uint8Array = Buffer.from('ffffffffffffffff58454e46', 'hex');

/** xg_sr_common.h, REC_LENGTH_MAX: libxc refuses a longer body. */
export const MAX_RECORD_BODY = 128 * MIB;

const IMAGE_VERSIONS: readonly number[] = [2, 3];
const OPTION_BIG_ENDIAN = 1;
/**
 * ramferry's bit of the options: the stream holds compressed records (docs/FORMAT.md, "Marks"). libxc's reader ignores reserved
 * bits; it stops at the mark record behind the headers.
 */
const OPTION_COMPRESSED = 0x8000;
/** The byte of the image header that holds that bit, and the bit in it. */
export const COMPRESSED_OPTION = { at: 16, bit: 0x80 } as const;
const PAGE_SHIFT = 12;

/** Types of libxc records that the walk or its users treat specially; all others are skipped by their length. */
export const LIBXC_RECORD = {
  end: 0x00,
  pageData: 0x01,
  pvInfo: 0x02,
  pvP2mFrames: 0x03,
  pvVcpuBasic: 0x04,
  sharedInfo: 0x07,
  hvmContext: 0x09,
  checkpoint: 0x0e,
  staticDataEnd: 0x10,
} as const;

/** The last type in the specification; mandatory and optional types behind it are reserved. */
export const LAST_KNOWN_TYPE = 0x12;

/**
 * Types of ramferry's own records in a compressed stream (docs/FORMAT.md, "Method xenguest"), near the top of the
 * mandatory range: a reader that does not know them must stop.
 */
export const XENGUEST_RECORD = {
  /** COMPRESSED_PAGE_DATA */
  chunk: 0x7fff5246,
  /** COMPRESSED_TOTALS */
  totals: 0x7fff5247,
  /** COMPRESSED_STREAM */
  mark: 0x7fff5248,
  /** COMPRESSED_BYTES */
  bytes: 0x7fff5249,
} as const;

/** Types of libxl records that the walk treats specially (docs/specs/libxl-migration-stream.pandoc, revision 2). */
export const LIBXL_RECORD = {
  end: 0,
  libxcContext: 1,
  checkpointEnd: 4,
  checkpointState: 5,
} as const;

export function readU32(data: Uint8Array, at: number, bigEndian: boolean): number {
  const a = data[at]!;
  const b = data[at + 1]!;
  const c = data[at + 2]!;
  const d = data[at + 3]!;
  return (bigEndian ? (a << 24) | (b << 16) | (c << 8) | d : (d << 24) | (c << 16) | (b << 8) | a) >>> 0;
}

function readU16(data: Uint8Array, at: number, bigEndian: boolean): number {
  return bigEndian ? (data[at]! << 8) | data[at + 1]! : (data[at + 1]! << 8) | data[at]!;
}

/** Length of the padding behind a body of `length` bytes: 0 to 7. */
export function paddingAfter(length: number): number {
  return -length & 7;
}

/** True when `magic` is at data[at]; false also where the data is too short. */
export function startsWith(data: Uint8Array, at: number, magic: Uint8Array): boolean {
  if (data.length - at < magic.length) return false;
  for (let i = 0; i < magic.length; i += 1) if (data[at + i] !== magic[i]) return false;
  return true;
}

export interface ImageHeader {
  readonly version: number;
  /** Byte order of the domain header and the records. */
  readonly bigEndian: boolean;
  /** ramferry's bit is set: the stream holds compressed records. */
  readonly compressed: boolean;
}

/** Reads the 24 bytes of an image header. @returns the header, or why it is unknown */
export function readImageHeader(data: Uint8Array, at: number): ImageHeader | { unknown: string } {
  if (!startsWith(data, at, LIBXC_MAGIC)) return { unknown: 'no libxc image header' };
  const version = readU32(data, at + 12, true);
  if (!IMAGE_VERSIONS.includes(version)) return { unknown: `libxc stream version ${version}` };
  const options = readU16(data, at + COMPRESSED_OPTION.at, true);
  return {
    version,
    bigEndian: (options & OPTION_BIG_ENDIAN) !== 0,
    compressed: (options & OPTION_COMPRESSED) !== 0,
  };
}

/** The domain type in a domain header. */
export function readDomainType(data: Uint8Array, at: number, bigEndian: boolean): number {
  return readU32(data, at, bigEndian);
}

/** Checks the 16 bytes of a domain header. @returns why the stream's pages are unsupported, or undefined */
export function refuseDomainHeader(data: Uint8Array, at: number, bigEndian: boolean): string | undefined {
  const shift = readU16(data, at + 4, bigEndian);
  return shift === PAGE_SHIFT ? undefined : `libxc page_shift ${shift}, not ${PAGE_SHIFT}`;
}
