// Options that both send and receive accept.

import type { Readable, Writable } from 'node:stream';

import { DEFAULT_IO_TIMEOUT_MS } from '../../link/options.js';
import type { Progress } from '../../transfer/statistics/summary.js';
import type { Duration, Size } from '../amounts.js';
import { count, duration, flag, readableEnd, size, text, writableEnd } from '../kinds.js';
import { DEFAULT_MEMORY_LIMIT, LIMITS } from '../limits.js';
import type { Rows } from '../row.js';
import type { ListenOptions } from './listen.js';
import type { TlsOptions } from './tls.js';

/** The two ends of a transfer. */
export interface TransferEnds {
  /**
   * Where the bytes come from: an address (`tcp:host:port`, `tcp-listen:[host:]port`, `unix:/path`, `unix-listen:/path`, `fd:3`,
   * `exec:command`, a path, `-` for standard input), or a Readable. Required, not empty.
   */
  readonly input: string | Readable;
  /** Where the bytes go: an address as above (`-` is standard output), or a Writable. Required, not empty. */
  readonly output: string | Writable;
}

/** Options of the link: direction and timeouts. */
export interface LinkOptions {
  /**
   * Use a duplex link in one direction: no handshake, no acknowledgement. Both sides must set it; otherwise one side waits for the
   * other's first message until `ioTimeout`. Default false.
   */
  readonly oneWay?: boolean | undefined;
  /**
   * Milliseconds to wait for a connection, 0 to 2^31 - 1. A caller retries until then (0: one attempt). A listener waits until
   * then (0: for ever). After it the transfer fails with ERR_LINK_CONNECT or ERR_LINK_TIMEOUT. Default: 10 s for a caller, for
   * ever for a listener.
   */
  readonly connectTimeout?: Duration | undefined;
  /**
   * Milliseconds without a byte from the link, or accepted by it, after which the link counts as dead: ERR_LINK_TIMEOUT. It counts
   * only while the other side owes a byte. 0 to 2^31 - 1; 0 waits for ever. Default 30 s.
   */
  readonly ioTimeout?: Duration | undefined;
}

/** Reports of a running transfer to its caller. An exception from a callback does not end the transfer. */
export interface TransferHooks {
  /** Aborts the transfer. The transfer rejects with the signal's reason if that is a RamferryError. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /** Called a few times a second while bytes flow. Default: none. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Called once for a listening address, with the port that the system chose. Default: none. */
  readonly onListening?: ((address: string) => void) | undefined;
  /** Called with a warning for the user; the transfer continues. Default: none. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Options that both send and receive accept. A value outside its range, of another type, or under a name that does not exist fails
 * with ERR_OPTION_INVALID before any address is opened. No value is rounded or cut to fit.
 */
export interface TransferOptions extends TransferEnds, LinkOptions, ListenOptions, TlsOptions, TransferHooks {
  /**
   * Milliseconds for which a broken link may be mended, 0 to 2^31 - 1: the transfer pauses and goes on over a new connection. Both sides
   * must set it, and the shorter time counts; once the hypervisor has stopped the guest, 5 s at most. After it the transfer fails with
   * ERR_LINK_TIMEOUT. Only for tcp and unix addresses, without `oneWay`. Default 0: a broken link ends the transfer.
   */
  readonly reconnect?: Duration | undefined;
  /**
   * Connections of the link at the same time, 1 to 64: on long and on bonded paths several carry more than one. At a receiver, how many it
   * takes. Both sides must set it, and the smaller number counts; a side of version 0.1 counts as 1. Without `reconnect` the loss of one ends
   * the transfer. Only for tcp and unix addresses, without `oneWay`. Default 1.
   */
  readonly connections?: number | undefined;
  /**
   * Bytes of memory that slots, codecs and the page store may take together, 4 MiB to 2^53 - 1. A smaller limit leaves fewer slots.
   * A limit below one slot for each thread fails with ERR_MEMORY_LIMIT, which states the needed memory. Default 320 MiB; at a
   * sender with `xbzrleCacheSize`, 256 MiB more than that.
   */
  readonly memoryLimit?: Size | undefined;
  /**
   * The zstd binding to use (`features()` lists them). A binding that does not work on this machine fails with
   * ERR_CODEC_UNAVAILABLE. Default: the best one that works.
   */
  readonly zstdBinding?: string | undefined;
  /**
   * Replace an output file that exists, or a socket that a killed listener left behind. Without it both fail with
   * ERR_OUTPUT_EXISTS or ERR_LINK_LISTEN. Default false.
   */
  readonly force?: boolean | undefined;
  /** Wait for the disk before an output file gets its final name. Default false, as in zstd and QEMU. */
  readonly sync?: boolean | undefined;
  /** Read and write files without the page cache. A warning reports a file system that cannot do it. Default false. */
  readonly directIo?: boolean | undefined;
}

export const COMMON_ROWS = {
  memoryLimit: {
    kind: size(LIMITS.memoryLimit),
    help: 'memory for chunks, codecs and the page store',
    commands: ['send', 'receive', 'migrate', 'qemu-migrate', 'incoming'],
    default: DEFAULT_MEMORY_LIMIT,
    environment: true,
  },
  zstdBinding: {
    kind: text(),
    help: 'use this zstd binding; see ramferry features',
    commands: [
      'send',
      'receive',
      'migrate',
      'qemu-migrate',
      'incoming',
      'inspect',
      'bench',
      'tune',
      'emu-manager',
      'features',
      'serve',
    ],
    environment: true,
  },
  directIo: {
    kind: flag(),
    help: 'bypass the page cache for files',
    commands: ['send', 'receive'],
    default: false,
    environment: true,
  },
  sync: {
    kind: flag(),
    help: 'wait for the disk before an output file gets its name',
    commands: ['send', 'receive'],
    default: false,
    environment: true,
  },
  oneWay: {
    kind: flag(),
    help: 'no handshake on a link that goes both ways; say so on both sides',
    commands: ['send', 'receive'],
    default: false,
    environment: true,
  },
  connectTimeout: {
    kind: duration(LIMITS.timeout),
    help: 'how long to wait for a connection',
    commands: ['send', 'receive', 'migrate', 'qemu-migrate', 'incoming', 'serve'],
    defaultText: '10s; listening: for ever',
    environment: true,
  },
  ioTimeout: {
    kind: duration(LIMITS.timeout),
    help: 'how long a tcp or unix peer may take no byte, pause within a record, or (the receiver) say nothing; 0 = for ever',
    commands: ['send', 'receive', 'migrate', 'qemu-migrate', 'incoming', 'serve'],
    default: DEFAULT_IO_TIMEOUT_MS,
    environment: true,
  },
  reconnect: {
    kind: duration(LIMITS.timeout),
    help: 'how long a broken link may take to come back; say so on both sides',
    commands: ['send', 'migrate', 'incoming', 'qemu-migrate', 'receive', 'serve'],
    default: 0,
    environment: true,
  },
  connections: {
    kind: count(LIMITS.connections),
    help: 'connections of the link at the same time; say so on both sides',
    commands: ['send', 'qemu-migrate', 'receive'],
    default: 1,
    alias: 'multifd-channels',
    environment: true,
  },
  force: {
    kind: flag(),
    help: 'replace an output file that exists, or a socket that a killed listener left behind',
    commands: ['send', 'receive', 'migrate', 'incoming'],
    default: false,
  },
} as const satisfies Rows;

/** The addresses of send and receive. */
export const SEND_END_ROWS = {
  input: {
    kind: readableEnd(),
    help: 'the migration stream or RAM image',
    commands: ['send'],
    required: true,
    positional: 'dash',
  },
  output: { kind: writableEnd(), help: 'the link', commands: ['send'], required: true, positional: 'dash' },
} as const satisfies Rows;

export const RECEIVE_END_ROWS = {
  input: { kind: readableEnd(), help: 'the link', commands: ['receive'], required: true, positional: 'dash' },
  output: {
    kind: writableEnd(),
    help: 'where the restored bytes go',
    commands: ['receive'],
    required: true,
    positional: 'dash',
  },
} as const satisfies Rows;
