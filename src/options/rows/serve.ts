// The options of `serve` and `status`.

import { allowedCpus } from '../../os/processor/cpus.js';
import type { Duration, Size } from '../amounts.js';
import { address, count, duration, file, flag, guestName, guestNames, size } from '../kinds.js';
import { COMPRESS_THREADS, DEFAULT_SERVE_MEMORY, DEFAULT_TRANSFERS, LIMITS } from '../limits.js';
import type { Rows } from '../row.js';
import type { ReceiveOptions } from './receive.js';
import type { ListenOptions } from './listen.js';
import type { SendOptions } from './send.js';
import type { TlsOptions } from './tls.js';

/** Options of send that hold for every outgoing guest; `maxBandwidth` for all of them together. */
type OutgoingOptions = Pick<
  SendOptions,
  | 'codec'
  | 'compressLevel'
  | 'adaptive'
  | 'maxLevel'
  | 'chunkSize'
  | 'maxBandwidth'
  | 'downtimeLimit'
  | 'xbzrleCacheSize'
  | 'selfCheck'
  | 'flushAfter'
>;

/** The options of a server: what it takes, what it carries away, and within which limits. */
export interface ServeOptions
  extends
    OutgoingOptions,
    ListenOptions,
    TlsOptions,
    Pick<ReceiveOptions, 'maxSize' | 'connectTimeout' | 'ioTimeout' | 'reconnect' | 'zstdBinding'> {
  /** Sockets of incoming guests' hypervisors, which listen: `unix:PATH` with `{name}` in it. Needs `listen`. Default: none. */
  readonly incoming?: string | undefined;
  /** Where senders of incoming guests connect: `tcp-listen:` or `unix-listen:`; `tcp:` and `unix:` mean the same here. */
  readonly listen?: string | undefined;
  /** Sockets that the server makes for outgoing guests: `unix-listen:PATH` with `{name}` in it. Needs `connect`. Default: none. */
  readonly outgoing?: string | undefined;
  /** The receiver of outgoing guests: `tcp:HOST:PORT` or `unix:PATH`. */
  readonly connect?: string | undefined;
  /** Outgoing guests whose sockets exist from the start. Others are opened by `ramferry status --open NAME`. Default: none. */
  readonly guest?: readonly string[] | undefined;
  /** The socket of `ramferry status`: `unix:PATH`. Only the server's user may connect. Default: none. */
  readonly control?: string | undefined;
  /** Listen and connect beyond loopback without TLS: guest memory then crosses the network unencrypted. Default false. */
  readonly insecure?: boolean | undefined;
  /** Worker threads that all transfers share, 1 to 255. Default: as many CPUs as the process may use, at most 8. */
  readonly threads?: number | undefined;
  /** Bytes that all transfers may take together, 4 MiB to 2^53 - 1. Each has an equal share. Default 1 GiB. */
  readonly memoryLimit?: Size | undefined;
  /** Transfers of each direction that run at once, 1 to 1000. Further ones wait in line. Default 4. */
  readonly maxTransfers?: number | undefined;
  /**
   * Processes that carry the transfers, 1 to 64, at most one for each thread. Each has an equal part of the threads, of the memory and of
   * `maxTransfers`. A crash ends the transfers of one of them. Default 1: this process.
   */
  readonly shards?: number | undefined;
  /**
   * Milliseconds that running transfers have to end after SIGTERM, 0 to 2^31 - 1. Then they are aborted. Default 0: as long as they
   * take.
   */
  readonly drainTimeout?: Duration | undefined;
}

export const SERVE_ROWS = {
  incoming: {
    kind: address(),
    help: "sockets of incoming guests' hypervisors: unix:PATH with {name} in it; needs --listen",
    commands: ['serve'],
  },
  listen: {
    kind: address(),
    help: 'where senders of incoming guests connect: tcp:HOST:PORT or unix:PATH',
    commands: ['serve'],
  },
  outgoing: {
    kind: address(),
    help: 'sockets that are made for outgoing guests: unix-listen:PATH with {name} in it; needs --connect',
    commands: ['serve'],
  },
  connect: {
    kind: address(),
    help: 'the receiver of outgoing guests: tcp:HOST:PORT or unix:PATH',
    commands: ['serve'],
  },
  guest: {
    kind: guestNames(),
    help: 'an outgoing guest whose socket exists from the start; once for each',
    commands: ['serve'],
    default: [],
    defaultText: 'none: ramferry status --open NAME',
  },
  control: {
    kind: address(),
    help: 'the socket of ramferry status: unix:PATH',
    commands: ['serve'],
  },
  insecure: {
    kind: flag(),
    help: 'listen and connect beyond loopback without TLS: guest memory crosses the network unencrypted',
    commands: ['serve'],
    default: false,
  },
  threads: {
    kind: count(LIMITS.threads),
    help: 'worker threads that all transfers share',
    commands: ['serve'],
    default: () => Math.min(COMPRESS_THREADS, allowedCpus()),
    defaultText: `CPUs, at most ${COMPRESS_THREADS}`,
  },
  memoryLimit: {
    kind: size(LIMITS.memoryLimit),
    help: 'memory for all transfers together; each has an equal share',
    commands: ['serve'],
    default: DEFAULT_SERVE_MEMORY,
  },
  maxTransfers: {
    kind: count(LIMITS.maxTransfers),
    help: 'transfers of each direction that run at once; further ones wait in line',
    commands: ['serve'],
    default: DEFAULT_TRANSFERS,
  },
  shards: {
    kind: count(LIMITS.shards),
    help: 'processes that carry the transfers: a crash ends those of one',
    commands: ['serve'],
    default: 1,
  },
  drainTimeout: {
    kind: duration(LIMITS.timeout),
    help: 'how long running transfers may take after SIGTERM; 0 = as long as they take',
    commands: ['serve'],
    default: 0,
  },
  config: {
    kind: file(),
    help: 'take options from this file: one `name = value` a line',
    commands: ['serve'],
    commandLineOnly: true,
  },
} as const satisfies Rows;

export const STATUS_ROWS = {
  control: {
    kind: address(),
    help: 'the socket of ramferry serve: unix:PATH',
    commands: ['status'],
    commandLineOnly: true,
    required: true,
  },
  open: {
    kind: guestName(),
    help: 'make the socket of an outgoing guest',
    commands: ['status'],
    commandLineOnly: true,
  },
  close: {
    kind: guestName(),
    help: 'remove the socket of an outgoing guest; its running transfer goes on',
    commands: ['status'],
    commandLineOnly: true,
  },
} as const satisfies Rows;
