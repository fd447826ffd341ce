// The numbers of QEMU's migration stream: section types, commands, flags of the ram section, and limits of accepted values.
// The grammar, the simulated guest and the warm-up share this table; the tests' streams have a table of their own.
// All integers are big-endian. Sources: QEMU migration/savevm.c, migration/savevm.h, migration/ram.c (7.2 to 11.x).

/** QEMU_VM_FILE_VERSION; QEMU has not read version 2 since 0.10. */
export const FILE_VERSION = 3;

/** QEMU_VM_*: the first byte of a section. */
export const SECTION = {
  eof: 0x00,
  start: 0x01,
  part: 0x02,
  end: 0x03,
  full: 0x04,
  subsection: 0x05,
  vmDescription: 0x06,
  configuration: 0x07,
  command: 0x08,
  /** Behind a section's data, with the section's id; machine types before 2.4 write none. */
  footer: 0x7e,
} as const;

/**
 * MIG_CMD_*: the commands that the grammar names. SWITCHOVER_START is the newest (10.0, for VFIO over multifd). Every command
 * has a length field, so the walk passes over an unknown command.
 */
export const COMMAND = {
  openReturnPath: 1,
  ping: 2,
  postcopyAdvise: 3,
  postcopyListen: 4,
  postcopyRun: 5,
  postcopyRamDiscard: 6,
  packaged: 7,
  enableColo: 8,
  postcopyResume: 9,
  receiveBitmap: 10,
  switchoverStart: 11,
} as const;

/**
 * Length of POSTCOPY_ADVISE when RAM may go postcopy, not only dirty bitmaps: u64 sum of page sizes, u64 target page size.
 */
export const ADVISE_WITH_RAM = 16;

/**
 * RAM_SAVE_FLAG_*, the low 12 bits of a word. 0x01 is obsolete since 2009, 0x100 was removed in 9.1, 0x200 came with 8.1.
 * According to ram.h 0x200 is the last flag: pages of 1 KiB leave no more bits.
 */
export const RAM_FLAG = {
  zero: 0x02,
  memSize: 0x04,
  page: 0x08,
  eos: 0x10,
  continue: 0x20,
  xbzrle: 0x40,
  /** Stands alone: the following pages travel over RDMA, not in the stream. */
  hook: 0x80,
  compressPage: 0x100,
  multifdFlush: 0x200,
} as const;
export const RAM_FLAG_MASK = 0xfff;

/**
 * struct MappedRamHeader behind a block in the list of a mapped-ram file (ram.c, since 9.0): u32 version, u64 target page size, u64
 * offset of the block's bitmap in the file, u64 offset of its pages. The bitmap follows the header, then a hole up to a multiple of
 * 1 MiB (MAPPED_RAM_FILE_OFFSET_ALIGNMENT), then the block's pages in their order, with holes for zero pages.
 */
export const MAPPED_RAM = {
  version: 1,
  headerBytes: 28,
  alignment: 0x100000,
  pageBytes: [4096, 8192, 16384, 65536] as readonly number[],
} as const;

/**
 * The ram section (register_savevm_live in ram_mig_init). Its id depends on the sections registered before it. Writers use this
 * id, which a PC has; a reader takes the id from START.
 */
export const RAM_SECTION = { id: 2, name: 'ram', instance: 0, version: 4 } as const;

/** Subsections of CONFIGURATION (vmstate_configuration in savevm.c; unchanged from 4.0 to 10.x). */
export const SUBSECTION = {
  pageBits: 'configuration/target-page-bits',
  capabilities: 'configuration/capabilities',
  uuid: 'configuration/uuid',
} as const;
/** The capabilities that QEMU lists (should_validate_capability in savevm.c): x-ignore-shared since 4.0, mapped-ram since 9.0. */
export const CAPABILITY = { ignoreShared: 'x-ignore-shared', mappedRam: 'mapped-ram' } as const;
/** Target pages of 4 to 64 KiB. Smaller ones (1 KiB on old Arm boards) hold no whole page of 4096 bytes. */
export const PAGE_BITS = { min: 12, max: 16 } as const;
/**
 * Target page sizes in bits that a stream may have without saying so: QEMU writes the subsection only where the size differs from the
 * target's smallest. 8 KiB: SPARC64 and Alpha; 16 KiB: TriCore. Tried in this order.
 */
export const UNTOLD_PAGE_BITS: readonly number[] = [12, 13, 14, 16];
export const UUID_LENGTH = 16;

/** Machine names have about a dozen characters; QEMU has no limit. */
export const MAX_MACHINE_NAME = 256;
/** QEMU 10 has 25 capabilities. */
export const MAX_CAPABILITIES = 256;
/** A guest has some dozen blocks: memory, ROMs, tables, video memory, and one for each DIMM (at most 256 slots). */
export const MAX_BLOCKS = 4096;
/** Sections that were announced by START: ram, dirty bitmaps, and one for each VFIO device. */
export const MAX_LIVE_SECTIONS = 4096;
/**
 * Commands after which the bytes leave at once. A migration has a dozen before it goes postcopy, and then one for each 12 ranges of
 * pages that the destination discards; behind those comes PACKAGED, from which on all bytes leave at once.
 */
export const MAX_FLUSHES = 256;
/** QEMU numbers sections from 0; a guest has some dozen to some hundred. */
export const MAX_SECTION_ID = 0xffff;
export const ENCODING_FLAG_XBZRLE = 1;
/** Pages of a block whose identities stay below 2^53: addresses below 2^48. */
export const PAGES_PER_BLOCK = 2 ** 36;

/**
 * One channel of a multifd migration (migration/multifd.h). Initial packet: magic, u32 version, 16 bytes uuid, u8 channel, 39 bytes reserved.
 * Packet: magic, u32 version, u32 flags; then, for pages: u32 entries of the array, u32 pages with contents, u32 bytes behind the array, u64 packet
 * number, u32 zero pages (since 9.0), 28 bytes reserved, name of the block; then the array of u64 offsets, and the contents. For device state (since
 * 10.0): name of the device, u32 instance, u32 bytes; then the state. A packet without pages may leave the number of entries out (since 9.1).
 */
export const MULTIFD = {
  version: 1,
  initialBytes: 64,
  headBytes: 12,
  fieldsBytes: 308,
  nameBytes: 256,
  /** The fields of device state behind the head of a packet. */
  deviceBytes: 264,
  flagSync: 1 << 0,
  encodingMask: 0x1f << 1,
  flagDeviceState: 1 << 6,
  knownFlags: 0x7f,
  /** Flags of multifd-compression. */
  encodings: { 2: 'zlib', 4: 'zstd', 8: 'qpl', 16: 'uadk', 32: 'qatzip' } as Readonly<Record<number, string>>,
  pageBytes: [4096, 8192, 16384, 65536] as readonly number[],
  maxPageBytes: 65_536,
  /** multifd_recv_unfill_packet refuses more than 100 times 512 KiB of pages. */
  maxPages: 12_800,
} as const;
