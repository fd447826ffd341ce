// For each command the options that most users need, and examples. Help and pages show them first. Loaded with them only.
// Placeholders in examples are HOST, PATH and the guest `web1`.

import type { CommandName } from './commands.js';

export interface Guide {
  /** At most five options, by their names in the table. */
  readonly usual: readonly string[];
  readonly examples: readonly Example[];
}

export interface Example {
  /** A command line, without the program's name. */
  readonly line: string;
  readonly what: string;
}

export const MOST_USUAL = 5;

export const GUIDE: Readonly<Record<CommandName, Guide>> = {
  send: {
    usual: ['codec', 'compressLevel', 'maxBandwidth', 'tlsCreds', 'dryRun'],
    examples: [
      { line: 'send unix-listen:/run/out.sock tcp:HOST:4444', what: 'a QEMU that migrates to /run/out.sock' },
      { line: 'send guest.ram guest.rf', what: 'a RAM image into a compressed file' },
    ],
  },
  receive: {
    usual: ['maxSize', 'passThrough', 'force', 'tlsCreds', 'ioTimeout'],
    examples: [
      {
        line: 'receive tcp-listen:0.0.0.0:4444 unix:/run/in.sock',
        what: 'for a QEMU with -incoming unix:/run/in.sock',
      },
      { line: 'receive guest.rf guest.ram', what: 'a compressed file back into a RAM image' },
    ],
  },
  migrate: {
    usual: ['qmp', 'ram', 'downtimeLimit', 'maxBandwidth', 'quitSource'],
    examples: [
      {
        line: 'migrate --qmp unix:/run/src.qmp --ram /dev/shm/src.ram tcp:HOST:4444',
        what: 'a guest whose RAM is /dev/shm/src.ram',
      },
    ],
  },
  incoming: {
    usual: ['qmp', 'ram', 'memoryLimit', 'connectTimeout', 'force'],
    examples: [
      {
        line: 'incoming --qmp unix:/run/dst.qmp --ram /dev/shm/dst.ram tcp-listen:0.0.0.0:4444',
        what: 'for a QEMU with -incoming defer',
      },
    ],
  },
  'qemu-migrate': {
    usual: ['qmp', 'destinationQmp', 'incoming', 'timeout', 'timeoutStrategy'],
    examples: [
      {
        line: 'qemu-migrate --qmp unix:/run/src.qmp --destination-qmp unix:/run/dst.qmp --incoming unix:/run/in.sock tcp:HOST:4444',
        what: 'to the `receive tcp-listen:… unix:/run/in.sock` of another host',
      },
      {
        line: 'qemu-migrate --qmp unix:/run/src.qmp --destination-qmp unix:/run/dst.qmp',
        what: 'to another QEMU of this host',
      },
    ],
  },
  serve: {
    usual: ['incoming', 'listen', 'outgoing', 'connect', 'control'],
    examples: [
      {
        line: 'serve --incoming unix:/run/ramferry/in/{name}.sock --listen tcp:127.0.0.1:4444',
        what: 'takes guests to their hypervisors',
      },
      {
        line: 'serve --outgoing unix-listen:/run/ramferry/out/{name}.sock --connect tcp:127.0.0.1:4444 --guest web1',
        what: 'carries guests away',
      },
    ],
  },
  status: {
    usual: ['control', 'open', 'close'],
    examples: [{ line: 'status --control unix:/run/ramferry/control.sock', what: 'what the server carries' }],
  },
  inspect: {
    usual: ['verify', 'json'],
    examples: [{ line: 'inspect --verify guest.rf', what: 'is the file sound?' }],
  },
  bench: {
    usual: ['codecs', 'levels', 'threads', 'quick', 'html'],
    examples: [{ line: 'bench --quick guest.ram', what: 'codecs and levels in half a minute' }],
  },
  tune: {
    usual: ['bandwidth', 'probe', 'budget', 'dirtyRate', 'html'],
    examples: [{ line: 'tune guest.ram --bandwidth 1gbit', what: 'the options for a link of 1 Gbit/s' }],
  },
  'emu-manager': {
    usual: ['exec', 'compressLevel', 'codec', 'logFile', 'check'],
    examples: [
      {
        line: 'emu-manager --check --exec /usr/libexec/xen/bin/emu-manager',
        what: 'does all of it work here?',
      },
    ],
  },
  'guest source': {
    usual: ['size', 'profile', 'dirtyRate', 'downtimeLimit', 'maxRounds'],
    examples: [{ line: 'guest source --size 256MiB tcp:HOST:4444', what: 'a guest that migrates' }],
  },
  'guest destination': {
    usual: ['ramLimit', 'connectTimeout', 'ioTimeout', 'json'],
    examples: [
      { line: 'guest destination tcp-listen:0.0.0.0:4444', what: 'takes it and compares its memory' },
    ],
  },
  'guest compare': {
    usual: ['size', 'link', 'dirtyRate', 'codec', 'json'],
    examples: [{ line: 'guest compare --size 256MiB', what: "QEMU's two tables on this host" }],
  },
  features: { usual: ['json'], examples: [{ line: 'features', what: 'versions, codecs and limits' }] },
};
