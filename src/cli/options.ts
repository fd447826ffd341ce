// The options of send and receive as the command line shows them, and their way into the library's options.
// Names follow the library's in kebab case. Defaults are not repeated here: what is not given is left out.

import type { Argv, Options } from 'yargs';
import { CODEC_NAMES } from '../codec/codec.js';
import {
  optionsFromEnvironment,
  readText,
  RECEIVE_ENVIRONMENT,
  SEND_ENVIRONMENT,
  type OptionKind,
} from './environment.js';
import { FORMATS, METHODS } from '../options/amounts.js';
import type { ReceiveOptions } from '../options/receive.js';
import type { SendOptions } from '../options/send.js';
import type { ParsedArguments } from './command.js';

export const ADDRESSES =
  'An address is tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH, unix-listen:PATH, fd:N, exec:COMMAND, a path, or -';

export const COMMON: Record<string, Options> = {
  'memory-limit': { describe: 'memory for chunks, codecs and the page store (320MiB)', requiresArg: true },
  'zstd-binding': { describe: 'use this zstd binding; see ramferry features', requiresArg: true },
  'direct-io': { describe: 'bypass the page cache for files', type: 'boolean' },
  sync: { describe: 'wait for the disk before an output file gets its name', type: 'boolean' },
  'one-way': {
    describe: 'no handshake on a link that goes both ways; say so on both sides',
    type: 'boolean',
  },
  'connect-timeout': {
    describe: 'how long to wait for a connection (10s; listening: for ever)',
    requiresArg: true,
  },
  'io-timeout': {
    describe:
      'how long a tcp or unix peer may take no byte, pause within a record, or (the receiver) say nothing (30s; 0 = for ever)',
    requiresArg: true,
  },
  force: {
    describe: 'replace an output file that exists, or a socket that a killed listener left behind',
    type: 'boolean',
  },
  quiet: { alias: 'q', describe: 'no progress and no summary', type: 'boolean' },
  json: { describe: 'report in JSON lines', type: 'boolean' },
  'log-file': { describe: 'append a log to this file', requiresArg: true, type: 'string' },
};

export const SEND: Record<string, Options> = {
  'compress-threads': { describe: 'compression threads (CPUs, at most 8)', requiresArg: true },
  'compress-level': { describe: '0 stores, 1 is fastest (1)', requiresArg: true },
  codec: { describe: `${CODEC_NAMES.join(', ')} (zstd)`, requiresArg: true },
  adaptive: {
    describe: 'choose codec and level while sending (yes, on links, without codec and level)',
    type: 'boolean',
  },
  'max-level': { describe: 'highest level that the adaptive mode may choose (19)', requiresArg: true },
  'max-cpu': { describe: 'processor time that sending may take, in CPUs: 1.5 or 150%', requiresArg: true },
  nice: { describe: 'niceness of the compression threads, 0 to 19', requiresArg: true },
  'chunk-size': { describe: 'guest memory in a chunk, 64KiB to 16MiB (1MiB)', requiresArg: true },
  window: {
    describe:
      'find repetitions over so much memory, 16MiB to 64MiB: for slow links, more memory, more downtime',
    requiresArg: true,
  },
  'max-bandwidth': {
    describe: 'limit of the link: 1gbit, 100MB, 32MiB per second (0 = none)',
    requiresArg: true,
  },
  'downtime-limit': {
    describe: "how long the guest may be paused, for progress's expectations: the hypervisor decides (300ms)",
    requiresArg: true,
  },
  'xbzrle-cache-size': {
    describe: 'page store: pages sent again travel as differences (64MiB; 0 = off)',
    requiresArg: true,
  },
  'compress-wait-thread': {
    describe: 'on or off: wait for a free thread, or send uncompressed when none is free (on)',
    requiresArg: true,
    type: 'string',
  },
  'self-check': { describe: 'decode every chunk before it leaves, and compare', type: 'boolean' },
  method: {
    describe: `${METHODS.join(' or ')}: inside the stream or around it (xenguest)`,
    requiresArg: true,
  },
  'xenguest-version': {
    describe: '1: write Xen streams that ramferry 0.1 reads, without the marks that betray damage (2)',
    requiresArg: true,
  },
  config: {
    describe: 'take the method from this file, written like xenopsd.conf (migration-compressor = "xenguest")',
    requiresArg: true,
    type: 'string',
  },
  format: { describe: `what the input is: ${FORMATS.join(', ')}`, requiresArg: true },
  'flush-after': { describe: 'how long bytes may wait for a full chunk (50ms)', requiresArg: true },
};

export const RECEIVE: Record<string, Options> = {
  'decompress-threads': { describe: 'decompression threads (CPUs, at most 2)', requiresArg: true },
  'max-size': {
    describe: 'refuse a stream that decodes to more (what the stream announces, else no limit)',
    requiresArg: true,
  },
  'pass-through': { describe: 'hand on a stream that nobody compressed', type: 'boolean' },
};

function withEnds(parser: Argv, input: string, output: string): Argv {
  return parser
    .positional('input', { describe: input, type: 'string', default: '-' })
    .positional('output', { describe: output, type: 'string', default: '-' })
    .epilog(
      `${ADDRESSES} (standard input or output).\nSizes: 64KiB, 1M (binary), 1MB (decimal); a bare number is bytes. Rates: 1gbit, 100Mbps, 125MB; a bare number is bytes per second. Durations: 500ms, 30s, 2min; a bare number is milliseconds. Options can also be set in the environment: RAMFERRY_CODEC=lz4.`,
    );
}

export function sendParser(parser: Argv): Argv {
  return withEnds(parser, 'the migration stream or RAM image', 'the link').options({ ...SEND, ...COMMON });
}

export function receiveParser(parser: Argv): Argv {
  return withEnds(parser, 'the link', 'where the restored bytes go').options({
    ...RECEIVE,
    probe: { describe: 'take no stream: answer one `ramferry tune --probe`, and end', type: 'boolean' },
    ...COMMON,
  });
}

/** Addresses and what overwrites files can only be given on the command line. */
const LINE_ONLY = { input: 'text', output: 'text', force: 'boolean' } as const;

export function sendOptions(parsed: ParsedArguments): SendOptions {
  return gather(parsed, SEND_ENVIRONMENT) as unknown as SendOptions;
}

export function receiveOptions(parsed: ParsedArguments): ReceiveOptions {
  return gather(parsed, RECEIVE_ENVIRONMENT) as unknown as ReceiveOptions;
}

/** The command line wins over the environment. Everything else is checked at the library's door. */
export function gather(
  parsed: ParsedArguments,
  table: Record<string, OptionKind>,
  lineOnly: Record<string, OptionKind> = LINE_ONLY,
): Record<string, unknown> {
  const options: Record<string, unknown> = optionsFromEnvironment(process.env, table);
  for (const [name, kind] of Object.entries<OptionKind>({ ...lineOnly, ...table })) {
    const value = parsed[name];
    if (value !== undefined) options[name] = typeof value === 'string' ? readText(value, kind, name) : value;
  }
  return options;
}
