// Numbers of libxc's migration stream that the simulated guest writes, reads and checks (Xen: docs/specs/
// libxc-migration-stream.pandoc, revision 3). The grammar has its own constants on purpose: the simulated guest tests
// the grammar, and shared constants would hide mistakes.

export const LIBXC_ID = 0x5845_4e46; // "XENF"
export const IMAGE_HEADER_BYTES = 24;
export const DOMAIN_HEADER_BYTES = 16;
export const RECORD_HEADER_BYTES = 8;

export const DOMAIN_TYPE = { pv: 1, hvm: 2 } as const;

export const RECORD = {
  end: 0x00,
  pageData: 0x01,
  pvInfo: 0x02,
  pvP2mFrames: 0x03,
  vcpuBasic: 0x04,
  vcpuExtended: 0x05,
  vcpuXsave: 0x06,
  sharedInfo: 0x07,
  tscInfo: 0x08,
  hvmContext: 0x09,
  hvmParams: 0x0a,
  toolstack: 0x0b,
  vcpuMsrs: 0x0c,
  verify: 0x0d,
  checkpoint: 0x0e,
  checkpointDirtyPfnList: 0x0f,
  staticDataEnd: 0x10,
  cpuidPolicy: 0x11,
  msrPolicy: 0x12,
} as const;
/** Flag in a record type: a reader may skip an unknown record with this flag. */
export const OPTIONAL_RECORD = 0x8000_0000;

/** libxc refuses longer records (REC_LENGTH_MAX in xg_sr_stream_format.h). */
export const MAX_RECORD_BYTES = 128 << 20;

/** The four high bits of a page entry. */
export const PAGE_TYPE = {
  normal: 0x0,
  l1: 0x1,
  l2: 0x2,
  l3: 0x3,
  l1Pinned: 0x9,
  l4Pinned: 0xc,
  broken: 0xd,
  allocateOnly: 0xe,
  invalid: 0xf,
} as const;

/** Whether an entry of this type has 4096 bytes of contents. */
export function hasContents(pageType: number): boolean {
  return pageType < PAGE_TYPE.broken;
}

/** Types 5 to 8 are reserved: a restore must fail on them. */
export function isReservedType(pageType: number): boolean {
  return pageType >= 0x5 && pageType <= 0x8;
}

/** Padding bytes after a body of this length, up to a multiple of 8. */
export function paddingOf(length: number): number {
  return (8 - (length % 8)) % 8;
}

/** libxl's stream around the libxc stream (docs/specs/libxl-migration-stream.pandoc), and the file of `xl save`. */
export const XL_MAGIC = 'Xen saved domain, xl format\n \0 \r';
export const XL_BYTE_ORDER = 0x0102_0304;
/** Mandatory flags: the configuration is JSON, a libxl stream of version 2 follows. */
export const XL_FLAGS = 3;
export const LIBXL_MAGIC = 'LibxlFmt';
export const LIBXL_VERSION = 2;
export const LIBXL_RECORD = { end: 0, libxcContext: 1 } as const;
