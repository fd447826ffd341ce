// Numbers of QEMU's migration stream that the simulated guest writes and reads (QEMU 7.2: migration/savevm.h, ram.c,
// qemu-file-types.h). On purpose not shared with the grammar: the guest is there to find its mistakes.

export const QEMU_MAGIC = 0x5145_564d;
export const QEMU_VERSION = 3;

export const SECTION = {
  eof: 0x00,
  start: 0x01,
  part: 0x02,
  end: 0x03,
  full: 0x04,
  description: 0x06,
  configuration: 0x07,
  command: 0x08,
  footer: 0x7e,
} as const;

/** Low bits of a word of the `ram` section; the rest is the address. */
export const RAM_FLAG = { zero: 0x02, memSize: 0x04, page: 0x08, eos: 0x10, continue: 0x20 } as const;

export const COMMAND = { openReturnPath: 1, ping: 2 } as const;

/** The section of RAM: its id depends on what registered before it; this is what a PC has. */
export const RAM_SECTION = { id: 2, name: 'ram', instance: 0, version: 4 } as const;
