// The numbers of Xen's libxc migration stream: headers, record types, page types and limits.
// Source: Xen's docs/specs/libxc-migration-stream.pandoc (revision 3) and tools/libs/guest/xg_sr_stream_format.h.
// Knows no state; readers of single fields only.

import { MIB } from '../../units.js';

/** Image header: u64 marker (all ones), u32 id "XENF", u32 version, u16 options, 6 reserved bytes; big-endian. */
export const IMAGE_HEADER_BYTES = 24;
/** Domain header: u32 type, u16 page_shift, u16 reserved, u32 xen_major, u32 xen_minor; in the stream's byte order. */
export const DOMAIN_HEADER_BYTES = 16;
/** Record header: u32 type, u32 body length; the body is padded to a multiple of 8. libxl's records are framed alike. */
export const RECORD_HEADER_BYTES = 8;

/** The first 12 bytes of a libxc stream: marker and id. */
export const LIBXC_MAGIC: Uint8Array = Buffer.from('ffffffffffffffff58454e46', 'hex');

/** xg_sr_common.h, REC_LENGTH_MAX: a longer body is refused by libxc. */
export const MAX_RECORD_BODY = 128 * MIB;

const IMAGE_VERSIONS: readonly number[] = [2, 3];
const OPTION_BIG_ENDIAN = 1;
/**
 * Ramferry's own bit of the options: the stream holds compressed records (docs/FORMAT.md, "Marks"). libxc's reader does not
 * look at reserved bits; the record that goes with it is what makes that reader stop.
 */
const OPTION_COMPRESSED = 0x8000;
/** The byte of the image header that holds that bit, and the bit in it. */
export const COMPRESSED_OPTION = { at: 16, bit: 0x80 } as const;
const PAGE_SHIFT = 12;

/** Types of libxc records that a walk or its users must tell apart; all others are only walked by their length. */
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

/** The last type that the specification names; mandatory and optional ones behind it are reserved for the future. */
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

/** The same of libxl records (docs/specs/libxl-migration-stream.pandoc, revision 2). */
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

/** Zero to seven bytes that follow a body of `length` bytes. */
export function paddingAfter(length: number): number {
  return -length & 7;
}

/** True when `magic` stands at data[at]; false too when the data ends before it does. */
export function startsWith(data: Uint8Array, at: number, magic: Uint8Array): boolean {
  if (data.length - at < magic.length) return false;
  for (let i = 0; i < magic.length; i += 1) if (data[at + i] !== magic[i]) return false;
  return true;
}

export interface ImageHeader {
  readonly version: number;
  /** Byte order of what follows. */
  readonly bigEndian: boolean;
  /** Ramferry's bit is set: the stream holds compressed records. */
  readonly compressed: boolean;
}

/** Reads the 24 bytes of an image header. @returns it, or why this is no libxc stream that we know. */
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

/** The type of domain in a domain header. */
export function readDomainType(data: Uint8Array, at: number, bigEndian: boolean): number {
  return readU32(data, at, bigEndian);
}

/** Reads the 16 bytes of a domain header; @returns why its pages are not ours to handle, or undefined. */
export function refuseDomainHeader(data: Uint8Array, at: number, bigEndian: boolean): string | undefined {
  const shift = readU16(data, at + 4, bigEndian);
  return shift === PAGE_SHIFT ? undefined : `libxc page_shift ${shift}, not ${PAGE_SHIFT}`;
}
