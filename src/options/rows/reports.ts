// The options of the command line that the library does not have: reports, logs, switches of other commands.

import { flag, text } from '../kinds.js';
import type { Rows } from '../row.js';

export const COMMAND_LINE_ROWS = {
  stream: {
    kind: text(),
    help: 'what send has written, a Xen stream, or frames of zstd, lz4 or gzip',
    commands: ['inspect'],
    commandLineOnly: true,
    positional: 'required',
  },
  exec: {
    kind: text(),
    help: 'the real emu-manager',
    commands: ['emu-manager'],
    commandLineOnly: true,
    required: true,
  },
  config: {
    kind: text(),
    help: 'take the method from this file, written like xenopsd.conf (migration-compressor = "xenguest")',
    commands: ['send'],
    commandLineOnly: true,
    environment: true,
  },
  dryRun: {
    kind: flag(),
    help: 'look at the input, say what would be done and with how much memory, and send nothing',
    commands: ['send'],
    commandLineOnly: true,
  },
  probe: {
    kind: flag(),
    help: 'take no stream: answer one `ramferry tune --probe`, and end',
    commands: ['receive'],
    commandLineOnly: true,
  },
  verify: {
    kind: flag(),
    help: 'decode every chunk and check everything, as receive does',
    commands: ['inspect'],
    commandLineOnly: true,
  },
  html: {
    kind: text(),
    help: 'write a report with charts to this file',
    commands: ['bench', 'tune'],
    commandLineOnly: true,
  },
  syslog: {
    kind: flag(),
    help: 'log to the system log; --no-syslog does not',
    commands: ['emu-manager'],
    commandLineOnly: true,
    default: true,
  },
  check: {
    kind: flag(),
    help: 'say whether all this works here, and do nothing',
    commands: ['emu-manager'],
    commandLineOnly: true,
  },
  quiet: {
    kind: flag(),
    help: 'no progress and no summary',
    commands: [
      'send',
      'receive',
      'migrate',
      'incoming',
      'bench',
      'tune',
      'guest source',
      'guest destination',
      'guest compare',
      'serve',
    ],
    commandLineOnly: true,
    alias: 'q',
  },
  json: {
    kind: flag(),
    help: 'report in JSON lines',
    commands: [
      'send',
      'receive',
      'migrate',
      'incoming',
      'inspect',
      'bench',
      'tune',
      'guest source',
      'guest destination',
      'guest compare',
      'features',
      'serve',
      'status',
    ],
    commandLineOnly: true,
  },
  logFile: {
    kind: text(),
    help: 'append a log to this file',
    commands: ['send', 'receive', 'migrate', 'incoming', 'emu-manager', 'serve'],
    commandLineOnly: true,
  },
} as const satisfies Rows;
