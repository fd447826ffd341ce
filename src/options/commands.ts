// The commands and their purposes, as help and pages show them. This module loads at every start: it imports nothing.

export interface CommandText {
  /** The command with its addresses. */
  readonly usage: string;
  readonly summary: string;
}

export const COMMANDS = {
  send: {
    usage: 'send [input] [output]',
    summary: 'Compress a migration stream or RAM image and send it',
  },
  receive: {
    usage: 'receive [input] [output]',
    summary: 'Receive what send has sent and restore the identical bytes',
  },
  migrate: {
    usage: 'migrate [output]',
    summary: "Migrate a running QEMU guest whose RAM is shared memory, over QEMU's monitor",
  },
  incoming: { usage: 'incoming [input]', summary: 'Take over the guest that migrate sends' },
  'qemu-migrate': {
    usage: 'qemu-migrate [output]',
    summary: 'Migrate a running QEMU guest with ordinary RAM, from start to end, over both monitors',
  },
  serve: { usage: 'serve', summary: 'Carry many guests at once, in and out, through one warm process' },
  status: { usage: 'status', summary: 'Show what `ramferry serve` carries' },
  inspect: { usage: 'inspect <stream>', summary: 'Say what a stream is made of, and whether it is sound' },
  bench: {
    usage: 'bench <input>',
    summary: "Measure codecs, levels, chunk sizes and threads on a guest's memory",
  },
  tune: { usage: 'tune <input>', summary: 'Say which settings move this guest fastest over a link, and why' },
  'emu-manager': { usage: 'emu-manager', summary: "Stand in emu-manager's place under xapi's xenopsd" },
  'guest source': {
    usage: 'source [output]',
    summary: 'Be the source: own RAM, dirty it, pre-copy it into a link, pause, measure',
  },
  'guest destination': {
    usage: 'destination [input]',
    summary: 'Be the destination: read a guest back, compare its RAM, acknowledge',
  },
  'guest compare': {
    usage: 'compare',
    summary: "Migrate with and without compression, and print QEMU's two tables",
  },
  features: { usage: 'features', summary: 'Show versions, codecs, formats and limits of this installation' },
} as const satisfies Record<string, CommandText>;

/** A command that takes options. */
export type CommandName = keyof typeof COMMANDS;

export const GUEST: CommandText = {
  usage: 'guest',
  summary: 'A simulated guest that migrates: for measurements without a hypervisor',
};
