// The options of `migrate` and `incoming`, which move a QEMU guest whose RAM is shared memory.

import { DOWNTIME_LIMIT_MS, MAX_ROUNDS } from '../../model/precopy.js';
import type { Duration } from '../amounts.js';
import { address, count, duration, files, flag } from '../kinds.js';
import { LIMITS } from '../limits.js';
import type { ReceiveOptions } from './receive.js';
import type { Rows } from '../row.js';
import type { SendOptions } from './send.js';
import type { ListenOptions } from './listen.js';
import type { TlsOptions } from './tls.js';

/** The guest of one side. A value that is out of range is refused with ERR_OPTION_INVALID. */
export interface QemuGuestOptions {
  /** QEMU's monitor, `unix:PATH` or a path. No other client may use it: ramferry holds it until the migration ends. Required. */
  readonly qmp: string;
  /**
   * Files that are the guest's RAM, one for each memory backend, in any order: the backends' ids tell them apart. With
   * `ramUnchecked`: required, in the same order on both sides. Default: the files that QEMU names.
   */
  readonly ram?: readonly string[] | undefined;
  /** Process id of QEMU, 1 or more. Default: the process that holds the monitor's socket. */
  readonly qemuPid?: number | undefined;
  /** Accept the files of `ram` where no proof is possible that they are this guest's RAM. Default false. */
  readonly ramUnchecked?: boolean | undefined;
}

/** Options of send and receive that do not apply, because the caller does not provide the stream. */
type NotOfGuests =
  | 'hypervisorConnections'
  | 'input'
  | 'output'
  | 'oneWay'
  | 'connections'
  | 'sync'
  | 'directIo'
  | 'name'
  | keyof TlsOptions
  | keyof ListenOptions;

/** The options of migrateGuest: the link, the guest, and most of what send takes. */
export interface MigrateOptions
  extends
    QemuGuestOptions,
    Omit<SendOptions, NotOfGuests | 'method' | 'format' | 'window' | 'xenguestVersion' | 'downtimeLimit'> {
  /** Address of the link: `tcp:` or `unix:`. Required, not empty. */
  readonly output: string;
  /** Milliseconds of downtime to aim at, 0 to 2^31 - 1. The guest is stopped when the expected downtime is less. Default 300. */
  readonly downtimeLimit?: Duration | undefined;
  /** Rounds while the guest runs, 1 to 10,000. After them the guest is stopped in any case. Default 30. */
  readonly maxRounds?: number | undefined;
  /** Compare all RAM of both sides before the handover. Adds to the downtime. Default false. */
  readonly verifyRam?: boolean | undefined;
  /** End the source's QEMU when the destination runs the guest. Default false. */
  readonly quitSource?: boolean | undefined;
}

/** The options of receiveGuest: the link, the guest, and most of what receive takes. */
export interface IncomingOptions
  extends QemuGuestOptions, Omit<ReceiveOptions, NotOfGuests | 'passThrough' | 'resume'> {
  /** Address of the link: `tcp-listen:`, `unix-listen:`, `tcp:` or `unix:`. Required, not empty. */
  readonly input: string;
}

export const QEMU_GUEST_ROWS = {
  qmp: {
    kind: address(),
    help: "QEMU's monitor: unix:PATH of -qmp unix:PATH,server=on,wait=off",
    commands: ['migrate', 'incoming'],
    required: true,
  },
  ram: {
    kind: files(),
    help: "a file that is the guest's RAM; once for each",
    commands: ['migrate', 'incoming'],
    default: [],
    defaultText: 'what QEMU says',
  },
  qemuPid: {
    kind: count({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    help: "QEMU's process",
    commands: ['migrate', 'incoming'],
    defaultText: "what holds the monitor's socket",
  },
  ramUnchecked: {
    kind: flag(),
    help: 'take the files of --ram, and their order, as they are where no proof is possible',
    commands: ['migrate', 'incoming'],
    default: false,
  },
} as const satisfies Rows;

export const MIGRATE_ROWS = {
  output: {
    kind: address(),
    help: 'the link',
    commands: ['migrate'],
    required: true,
    positional: 'required',
  },
  downtimeLimit: {
    kind: duration(LIMITS.timeout),
    help: 'downtime that is aimed at',
    commands: ['migrate'],
    default: DOWNTIME_LIMIT_MS,
    environment: true,
  },
  maxRounds: {
    kind: count({ min: 1, max: 10_000 }),
    help: 'rounds after which the guest is stopped whatever is left',
    commands: ['migrate'],
    default: MAX_ROUNDS,
  },
  quitSource: {
    kind: flag(),
    help: "end the source's QEMU when the destination runs the guest",
    commands: ['migrate'],
    default: false,
  },
  verifyRam: {
    kind: flag(),
    help: 'compare all RAM of both sides before the handover; adds to the downtime',
    commands: ['migrate'],
    default: false,
  },
} as const satisfies Rows;

export const INCOMING_ROWS = {
  input: {
    kind: address(),
    help: 'the link',
    commands: ['incoming'],
    required: true,
    positional: 'required',
  },
} as const satisfies Rows;
