// The numbers of QEMU's migration stream: section types, commands, flags of the ram section, and limits of accepted values.
// The grammar, the simulated guest and the warm-up share this table; the tests' streams have a table of their own.
// All integers are big-endian. Sources: QEMU migration/savevm.c, migration/savevm.h, migration/ram.c (7.2 to 10.x).

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
 * has a length field, but an unknown command may change the meaning of the bytes behind it.
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

/** MAPPED_RAM_HDR_VERSION: marks a mapped-ram stream (9.0), whose pages lie elsewhere in its file. */
export const MAPPED_RAM_VERSION = 1;

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
/** The only capability in the list that matters here. The list (should_validate_capability) omits others, such as mapped-ram. */
export const IGNORE_SHARED = 'x-ignore-shared';
export const PAGE_BITS = 12;
export const UUID_LENGTH = 16;

/** Machine names have about a dozen characters; QEMU has no limit. */
export const MAX_MACHINE_NAME = 256;
/** QEMU 10 has 25 capabilities. */
export const MAX_CAPABILITIES = 256;
/** A guest has some dozen blocks: memory, ROMs, tables, video memory, and one for each DIMM (at most 256 slots). */
export const MAX_BLOCKS = 4096;
/** An XBZRLE delta is never longer than the page (load_xbzrle). */
export const MAX_XBZRLE = 4096;
export const ENCODING_FLAG_XBZRLE = 1;
/** compressBound(4096) is 4110 in zlib and somewhat more in its forks. */
export const MAX_COMPRESSED = 8192;
/** Pages of a block whose identities stay below 2^53: addresses below 2^48. */
export const PAGES_PER_BLOCK = 2 ** 36;
