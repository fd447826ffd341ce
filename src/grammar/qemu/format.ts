// QEMU's migration stream in numbers: section types, commands, flags of the ram section, and limits of what is believed.
// One table for the grammar, the simulated guest and rehearsals; the tests' streams have numbers of their own.
// All integers are big-endian. Sources: QEMU migration/savevm.c, migration/savevm.h, migration/ram.c (7.2 to 10.x).

/** QEMU_VM_FILE_VERSION; version 2 has not been readable since QEMU 0.10. */
export const FILE_VERSION = 3;

/** QEMU_VM_*: the byte that a section begins with. */
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
  /** After a section's data, with its id; machine types before 2.4 write none. */
  footer: 0x7e,
} as const;

/**
 * MIG_CMD_*: those that are needed by name. SWITCHOVER_START is the newest (10.0, for VFIO over multifd). Every command
 * says its length, but what an unknown one means for the bytes after it is unknown.
 */
export const COMMAND = {
  invalid: 0,
  openReturnPath: 1,
  ping: 2,
  postcopyAdvise: 3,
  postcopyListen: 4,
  packaged: 7,
  enableColo: 8,
  postcopyResume: 9,
  switchoverStart: 11,
} as const;

/** Data of POSTCOPY_ADVISE when RAM (not only dirty bitmaps) may go postcopy: sum of page sizes, target page size. */
export const ADVISE_WITH_RAM = 16;

/**
 * RAM_SAVE_FLAG_*, the low 12 bits of a word. 0x01 has been obsolete since 2009, 0x100 is gone since 9.1, 0x200 came with 8.1
 * and is said to be the last (pages of 1 KiB leave no more bits).
 */
export const RAM_FLAG = {
  zero: 0x02,
  memSize: 0x04,
  page: 0x08,
  eos: 0x10,
  continue: 0x20,
  xbzrle: 0x40,
  /** Stands alone: what follows goes over RDMA, not in the stream. */
  hook: 0x80,
  compressPage: 0x100,
  multifdFlush: 0x200,
} as const;
export const RAM_FLAG_MASK = 0xfff;

/** MAPPED_RAM_HDR_VERSION: what tells a mapped-ram stream (9.0), whose pages lie elsewhere in its file. */
export const MAPPED_RAM_VERSION = 1;

/**
 * The ram section (register_savevm_live in ram_mig_init). Its id depends on what registered before it: this one is a PC's, for
 * who writes; a reader goes by what START says.
 */
export const RAM_SECTION = { id: 2, name: 'ram', instance: 0, version: 4 } as const;

/** Subsections of CONFIGURATION (vmstate_configuration in savevm.c; unchanged from 4.0 to 10.x). */
export const SUBSECTION = {
  pageBits: 'configuration/target-page-bits',
  capabilities: 'configuration/capabilities',
  uuid: 'configuration/uuid',
} as const;
/** The only capability that the stream itself tells (should_validate_capability); mapped-ram, for one, it does not. */
export const IGNORE_SHARED = 'x-ignore-shared';
export const PAGE_BITS = 12;
export const UUID_LENGTH = 16;

/** Names of machines are a dozen characters; QEMU states no limit. */
export const MAX_MACHINE_NAME = 256;
/** QEMU 10 knows 25 capabilities. */
export const MAX_CAPABILITIES = 256;
/** A guest has some dozen blocks (memory, ROMs, tables, video memory, one for each DIMM: at most 256 slots). */
export const MAX_BLOCKS = 4096;
/** An XBZRLE delta is never longer than the page (load_xbzrle). */
export const MAX_XBZRLE = 4096;
export const ENCODING_FLAG_XBZRLE = 1;
/** compressBound(4096) is 4110 in zlib and somewhat more in its forks. */
export const MAX_COMPRESSED = 8192;
/** Pages of a block that have an identity of their own below 2^53: addresses below 2^48. */
export const PAGES_PER_BLOCK = 2 ** 36;
