// `qemu-migrate`: a whole migration of a QEMU guest with ordinary RAM. Prepares both QEMUs, carries the stream, watches both monitors,
// and settles which side runs the guest. Resolves when the destination runs it. Rejects with the guest at the source, or with
// ERR_HANDOVER_UNKNOWN where no side is certain.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../../errors.js';
import type { QemuMigrateOptions } from '../../../options/rows/qemu-migrate.js';
import type { TransferSummary } from '../../../transfer/statistics/summary.js';
import { withDeadline } from '../../../os/time/deadline.js';
import { QemuGuest } from '../qmp/guest.js';
import { qmpTimeout } from '../options.js';
import { checkState } from '../source-checks.js';
import { Carriage } from './carriage.js';
import { LEAST_LIMIT_MS } from './downtime-limit.js';
import { Monitored } from './monitored.js';
import { type ResolvedQemuMigrateOptions, resolveQemuMigrateOptions } from './options.js';
import type { QemuRound } from './rounds.js';
import { prepareDestination, prepareSource, type SourceSettings } from './settings.js';
import { continueDestination, giveBack, type Sides, takeOver, unknown } from './settle.js';
import { Watch, type Watched } from './watch.js';

/** The summary of send, and how QEMU's migration went. */
export interface QemuMigrationSummary extends TransferSummary {
  /** What both QEMUs say of the migration. */
  readonly qemu: {
    /** The destination runs the guest. Every other outcome is an error. */
    readonly outcome: 'completed';
    /** Rounds of pre-copy by QEMU's count. */
    readonly rounds: number;
    /** `timeout`: the time-out's strategy ended pre-copy. */
    readonly switchedBy: 'downtime-limit' | 'timeout';
    /** The destination ran the guest before it had all of its memory. */
    readonly postcopy: boolean;
  };
}

/** What the caller hears besides the hooks of every transfer. */
export interface QemuMigrateHooks {
  /** Called at the start of each round. */
  readonly onRound?: (round: QemuRound) => void;
}

/**
 * Migrates a running QEMU guest from start to end (docs/INTEGRATION.md). The destination's QEMU must wait for a guest.
 * @returns the summary, once the destination runs the guest
 * @throws RamferryError ERR_HANDOVER_UNKNOWN: it is not certain which side has the guest, and neither was told to run it. Any other code:
 *   the guest is at the source, as before
 * @example
 * ```ts
 * import { isRamferryError, migrateQemu } from 'ramferry';
 *
 * try {
 *   await migrateQemu({ qmp: 'unix:source.qmp', destinationQmp: 'unix:destination.qmp', output: 'tcp:destination:4444' });
 * } catch (thrown) {
 *   if (isRamferryError(thrown)) console.error(thrown.code);
 * }
 * ```
 */
export async function migrateQemu(
  options: QemuMigrateOptions,
  hooks: QemuMigrateHooks = {},
): Promise<QemuMigrationSummary> {
  return new QemuMigration(resolveQemuMigrateOptions(options), hooks).run();
}

class QemuMigration {
  readonly #settings: ResolvedQemuMigrateOptions;
  readonly #hooks: QemuMigrateHooks;
  readonly #timeout: number;
  readonly #times = new Map<string, number>();
  #carriage: Carriage | undefined;
  #watch: Watch | undefined;
  #source: SourceSettings | undefined;

  constructor(settings: ResolvedQemuMigrateOptions, hooks: QemuMigrateHooks) {
    this.#settings = settings;
    this.#hooks = hooks;
    this.#timeout = qmpTimeout(settings.values);
  }

  async run(): Promise<QemuMigrationSummary> {
    const { values, source, destination } = this.#settings;
    const timeout = this.#timeout;
    const here = await Monitored.connect({
      ...({ side: 'source', address: source, timeout } as const),
      onEvent: ({ name }) => this.#note(`source ${name}`),
    });
    let there: Monitored | undefined;
    try {
      there = await Monitored.connect({
        ...({ side: 'destination', address: destination, timeout } as const),
        onEvent: ({ name }) => this.#note(`destination ${name}`),
      });
      const sides = { source: here, destination: there, timeout };
      await this.#start(sides);
      await this.#settle(sides, await this.#watch!.untilEnd(values.signal));
      const transfer = await this.#end(sides);
      return { ...transfer, ...this.#downtime(), qemu: this.#watch!.summary() };
    } catch (thrown) {
      const error = toRamferryError(thrown);
      await this.#carriage?.abort(error);
      await this.#restore(here, error);
      throw error;
    } finally {
      there?.close();
      here.close();
    }
  }

  /** Everything up to QEMU's `migrate`. An error leaves the guest as it was. */
  async #start(sides: Sides): Promise<void> {
    const { values, incoming } = this.#settings;
    const postcopy = values.timeout > 0 && values.timeoutStrategy === 'postcopy';
    values.signal?.throwIfAborted();
    await sides.source.once(checkState);
    await sides.destination.once((guest) => prepareDestination(guest, { incoming, postcopy }));
    await sides.source.once(async (guest) => {
      this.#source = await prepareSource(guest, { downtimeLimit: LEAST_LIMIT_MS, postcopy });
    });
    this.#source?.warnings.forEach((warning) => values.onWarning?.(warning));
    this.#carriage = new Carriage(this.#settings, () => this.#isStopped());
    const uri = await this.#carriage.listening;
    const watch = new Watch({
      ...{ sides, values, carriage: this.#carriage, onRound: this.#hooks.onRound },
      takesBandwidth: this.#source?.takesBandwidth === true,
    });
    this.#watch = watch;
    values.signal?.throwIfAborted();
    try {
      await sides.source.once((guest) => guest.migrate(uri));
    } catch (thrown) {
      // QEMU has refused it, or it is unknown whether it migrates: then the watch finds out.
      if (toRamferryError(thrown).code === 'ERR_QMP_COMMAND') throw thrown;
    }
  }

  /** @throws the reason for which the guest stays at the source; ERR_HANDOVER_UNKNOWN */
  async #settle(sides: Sides, end: Watched): Promise<void> {
    const { onWarning } = this.#settings.values;
    switch (end.state) {
      case 'completed':
        if (!end.isContinued) await continueDestination(sides, end.isPostcopy);
        return;
      case 'failed':
        return giveBack(sides, end.reason);
      case 'lost':
        await takeOver(sides, end.reason);
        onWarning?.(`the source's QEMU has ended during the migration; the destination had all of the guest`);
        return;
      case 'split':
        throw unknown(
          `postcopy was interrupted, and each side has a part of the guest: ${end.reason.describe()}`,
          end.reason,
        );
    }
  }

  /** The destination runs the guest: what follows is no longer part of the outcome. */
  async #end({ source }: Sides): Promise<TransferSummary> {
    const { values } = this.#settings;
    const transfer = await withDeadline(this.#carriage!.ended, this.#timeout, () => undefined).catch(
      (thrown: unknown) => {
        values.onWarning?.(
          `the guest has moved, but ramferry's transfer reports: ${toRamferryError(thrown).describe()}`,
        );
        return undefined;
      },
    );
    if (transfer === undefined)
      await this.#carriage!.abort(new RamferryError('ERR_LINK_TIMEOUT', 'QEMU has ended the migration'));
    if (values.quitSource && !source.gone && !(await source.quit())) {
      values.onWarning?.("the source's QEMU does not quit");
    }
    return transfer ?? this.#carriage!.summary();
  }

  /** Events of both monitors, with the time at which this process heard of them. */
  #note(what: string): void {
    this.#times.set(what, performance.now());
    this.#watch?.wake();
  }

  /** The guest stands: since the source's last STOP it has not gone on. */
  #isStopped(): boolean {
    const at = (event: string): number => this.#times.get(`source ${event}`) ?? 0;
    return at('STOP') > at('RESUME');
  }

  #downtime(): { readonly downtime?: number } {
    const stopped = this.#times.get('source STOP');
    const resumed = this.#times.get('destination RESUME');
    if (stopped === undefined || resumed === undefined) return {};
    return { downtime: Math.max(0, Math.round(resumed - stopped)) };
  }

  /** Puts the source's settings back, where its QEMU has the guest again. */
  async #restore(source: Monitored, error: RamferryError): Promise<void> {
    if (this.#source === undefined || error.code === 'ERR_HANDOVER_UNKNOWN') return;
    const { restore } = this.#source;
    try {
      if (!source.broken)
        await withDeadline(
          source.once(idle).then(() => source.once(restore)),
          this.#timeout,
          () => undefined,
        );
    } catch (thrown) {
      this.#settings.values.onWarning?.(
        `the source's migration settings are not restored: ${toRamferryError(thrown).describe()}`,
      );
    }
  }
}

/** Resolves when QEMU allows its settings to change. */
async function idle(guest: QemuGuest): Promise<void> {
  while (QemuGuest.underWay(await guest.migration())) await sleep(20);
}
