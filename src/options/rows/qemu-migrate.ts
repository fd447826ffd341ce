// The options of `qemu-migrate`, which conducts a whole migration of a QEMU guest over the monitors of both QEMUs.

import { DOWNTIME_LIMIT_MS } from '../../model/precopy.js';
import type { Duration } from '../amounts.js';
import { address, choice, duration, flag, seconds } from '../kinds.js';
import { LIMITS } from '../limits.js';
import type { Rows } from '../row.js';
import type { SendOptions } from './send.js';

/** What happens when a migration has not ended in time: it is cancelled, ends whatever the downtime, or goes postcopy. */
export type TimeoutStrategy = 'cancel' | 'ignore' | 'postcopy';
const TIMEOUT_STRATEGIES: readonly TimeoutStrategy[] = ['cancel', 'ignore', 'postcopy'];

/** Options of send that do not apply: the stream comes from QEMU, and goes to a receiver that answers. */
type NotOfMigrations =
  | 'hypervisorConnections'
  | 'input'
  | 'output'
  | 'oneWay'
  | 'sync'
  | 'directIo'
  | 'force'
  | 'allow'
  | 'socketMode'
  | 'socketGroup'
  | 'method'
  | 'format'
  | 'window'
  | 'xenguestVersion'
  | 'downtimeLimit';

/** The options of migrateQemu: the two monitors, the link, and most of what send takes. */
export interface QemuMigrateOptions extends Omit<SendOptions, NotOfMigrations> {
  /** The source QEMU's monitor: `unix:PATH`, a path, or `tcp:HOST:PORT`. No other client may use it meanwhile. Required. */
  readonly qmp: string;
  /** The destination QEMU's monitor, as `qmp`. From another host: forwarded, as with `ssh -L`. Required. */
  readonly destinationQmp: string;
  /**
   * Address of the destination's `ramferry receive` or `ramferry serve`: `tcp:` or `unix:`. Default: both QEMUs are on this host, and
   * the stream is received in this process.
   */
  readonly output?: string | undefined;
  /**
   * Address at which the destination's QEMU shall listen (`unix:PATH` on its host), for a QEMU that was started with
   * `-incoming defer`. Default: with `output` none, because that QEMU listens already; without `output` a socket beside its monitor.
   */
  readonly incoming?: string | undefined;
  /** Socket at which the source's QEMU connects: `unix:PATH`, or `tcp:HOST:PORT`. Default: a socket beside its monitor. */
  readonly outgoing?: string | undefined;
  /**
   * Milliseconds of downtime to aim at, 1 to 2^31 - 1. QEMU's own downtime-limit is set below it where what is left compresses worse
   * than what has just passed. Default 300.
   */
  readonly downtimeLimit?: Duration | undefined;
  /** Milliseconds after which `timeoutStrategy` applies; a text without a unit is seconds. 0 (never) to 2^31 - 1 ms. Default 0. */
  readonly timeout?: Duration | undefined;
  /**
   * `cancel`: the guest goes on at the source. `ignore`: the downtime limit is ignored, so that the guest is stopped. `postcopy`: the
   * guest is moved at once, and fetches the rest of its RAM while it runs. The last two wait for a round that begins with as little
   * left as the best one before, until twice `timeout` at most. Default `cancel`.
   */
  readonly timeoutStrategy?: TimeoutStrategy | undefined;
  /** End the source's QEMU when the destination runs the guest. Default false. */
  readonly quitSource?: boolean | undefined;
}

export const QEMU_MIGRATE_ROWS = {
  output: {
    kind: address(),
    help: "the destination's receive or serve",
    commands: ['qemu-migrate'],
    positional: 'optional',
  },
  qmp: {
    kind: address(),
    help: "the source QEMU's monitor: unix:PATH or tcp:HOST:PORT of -qmp ADDRESS,server=on,wait=off",
    commands: ['qemu-migrate'],
    required: true,
  },
  destinationQmp: {
    kind: address(),
    help: "the destination QEMU's monitor as this host reaches it, for example forwarded by ssh -L",
    commands: ['qemu-migrate'],
    required: true,
  },
  incoming: {
    kind: address(),
    help: "where the destination's QEMU shall listen, if it was started with -incoming defer",
    commands: ['qemu-migrate'],
    defaultText: 'it listens already; without output, beside its monitor',
  },
  outgoing: {
    kind: address(),
    help: "where the source's QEMU connects: unix:PATH or tcp:HOST:PORT",
    commands: ['qemu-migrate'],
    defaultText: 'beside its monitor',
  },
  downtimeLimit: {
    kind: duration(LIMITS.downtimeLimit),
    help: 'downtime that is aimed at',
    commands: ['qemu-migrate'],
    default: DOWNTIME_LIMIT_MS,
    environment: true,
  },
  timeout: {
    kind: seconds(LIMITS.timeout),
    help: 'how long the migration may take; a bare number is seconds; 0 = for ever',
    commands: ['qemu-migrate'],
    default: 0,
    defaultText: '0',
  },
  timeoutStrategy: {
    kind: choice(TIMEOUT_STRATEGIES),
    help: 'after --timeout: give up, stop the guest whatever is left, or go on with postcopy',
    commands: ['qemu-migrate'],
    default: 'cancel',
  },
  quitSource: {
    kind: flag(),
    help: "end the source's QEMU when the destination runs the guest",
    commands: ['qemu-migrate'],
    default: false,
  },
} as const satisfies Rows;
