// Watches QEMU's migration from `migrate` to its final state: reports rounds, keeps the downtime limit true to the compression, applies
// the time-out, and cancels where the caller, the link or the destination demands it. Decides nothing about who runs the guest, except
// in postcopy: there the destination is continued while the migration runs.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../../errors.js';
import { Signal } from '../../../os/signal.js';
import { formatDuration } from '../../../units.js';
import type { MigrationStatus } from '../qmp/guest.js';
import type { Carriage } from './carriage.js';
import { DowntimeLimit, LEAST_LIMIT_MS } from './downtime-limit.js';
import type { ResolvedQemuMigrateOptions } from './options.js';
import { type QemuRound, Rounds } from './rounds.js';
import { SWITCHOVER_BANDWIDTH } from './settings.js';
import { continueDestination, type Sides } from './settle.js';

/** How the source's migration ended. */
export type Watched =
  /** The destination has all of the guest. `isContinued`: and it was told to run it. */
  | { readonly state: 'completed'; readonly isPostcopy: boolean; readonly isContinued: boolean }
  /** The destination has not, and never will. */
  | { readonly state: 'failed'; readonly reason: RamferryError }
  /** The source does not answer. */
  | { readonly state: 'lost'; readonly reason: RamferryError }
  /** In postcopy the link broke. */
  | { readonly state: 'split'; readonly reason: RamferryError };

export interface WatchParts {
  readonly sides: Sides;
  readonly values: ResolvedQemuMigrateOptions['values'];
  readonly carriage: Carriage;
  /** Whether this QEMU has avail-switchover-bandwidth (8.2 and newer), which replaces its own estimate. */
  readonly takesBandwidth: boolean;
  readonly onRound: ((round: QemuRound) => void) | undefined;
}

/** QEMU's events wake the watch; without them it looks this often. */
const POLL_MS = 100;
/** How long the transfer may take to name the cause of QEMU's failure. */
const CAUSE_MS = 1000;
/** QEMU's largest downtime-limit (MAX_MIGRATE_DOWNTIME). */
const NO_LIMIT_MS = 2_000_000;
/** A switchover is due at this multiple of the time-out even without a minimum (VEP 248: completionTimeoutFactor). */
const LATEST = 2;
/** Errors of a transfer whose input broke off: consequences of QEMU's failure. */
const CONSEQUENCES = new Set(['ERR_INPUT_INCOMPLETE', 'ERR_INPUT_READ', 'ERR_OUTCOME_UNKNOWN']);

export class Watch {
  readonly #parts: WatchParts;
  readonly #woken = new Signal();
  readonly #rounds = new Rounds();
  readonly #limit: DowntimeLimit;
  readonly #began = performance.now();
  #told = LEAST_LIMIT_MS;
  #reason: RamferryError | undefined;
  #isSwitched = false;
  #isPostcopy = false;
  #continued: Promise<void> | undefined;
  /** Looks at a state that a migration has only before it began. */
  #idle = 0;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#limit = new DowntimeLimit(parts.values.downtimeLimit, this.#began);
    void parts.carriage.ended.finally(() => this.wake()).catch(() => undefined);
  }

  /** Looks at QEMU now. */
  wake(): void {
    this.#woken.notify();
  }

  summary(): {
    outcome: 'completed';
    rounds: number;
    switchedBy: 'downtime-limit' | 'timeout';
    postcopy: boolean;
  } {
    return {
      outcome: 'completed',
      rounds: this.#rounds.count,
      switchedBy: this.#isSwitched ? 'timeout' : 'downtime-limit',
      postcopy: this.#isPostcopy,
    };
  }

  /** @param signal its abortion cancels the migration; resolves after that, too */
  async untilEnd(signal: AbortSignal | undefined): Promise<Watched> {
    const onAbort = (): void => {
      this.#reason ??= toRamferryError(signal!.reason, 'ERR_INTERRUPTED');
      this.wake();
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort);
    try {
      for (;;) {
        const woken = this.#woken.wait();
        const end = await this.#look();
        if (end !== undefined) return end;
        await Promise.race([sleep(POLL_MS), woken]);
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #look(): Promise<Watched | undefined> {
    const { source } = this.#parts.sides;
    let info: MigrationStatus;
    try {
      info = await source.ask((guest) => guest.migration());
    } catch (thrown) {
      return { state: 'lost', reason: toRamferryError(thrown) };
    }
    const { status = 'none' } = info;
    switch (status) {
      case 'completed':
        await this.#continued;
        return {
          state: 'completed',
          isPostcopy: this.#isPostcopy,
          isContinued: this.#continued !== undefined,
        };
      case 'failed':
      case 'cancelled':
        return { state: 'failed', reason: await this.#cause(info) };
      case 'postcopy-active':
        return this.#postcopy();
      case 'postcopy-paused':
      case 'postcopy-recover':
        return { state: 'split', reason: await this.#cause(info) };
      case 'none':
        return this.#notBegun();
      default:
        return this.#precopy(info);
    }
  }

  /** `migrate` was not answered, and QEMU does not migrate. */
  #notBegun(): Watched | undefined {
    this.#reason ??= new RamferryError(
      'ERR_QMP_TIMEOUT',
      'QEMU has not answered migrate, and does not migrate',
    );
    return this.#idle++ < 10 ? undefined : { state: 'failed', reason: this.#reason };
  }

  async #precopy({ status, ram }: MigrationStatus): Promise<undefined> {
    const round = ram?.['dirty-sync-count'] ?? 0;
    const begun = ram === undefined ? undefined : this.#rounds.observe({ round, remaining: ram.remaining });
    if (ram !== undefined && round > 0 && !this.#isSwitched) await this.#correctLimit(ram, round);
    if (begun !== undefined) this.#parts.onRound?.({ ...begun, downtimeLimit: this.#told });
    this.#checkParts();
    if (status === 'cancelling') return;
    await this.#checkTime(begun !== undefined);
    if (this.#reason !== undefined) await this.#tell((guest) => guest.migrateCancel());
  }

  async #correctLimit(ram: NonNullable<MigrationStatus['ram']>, round: number): Promise<void> {
    const { takesBandwidth, carriage } = this.#parts;
    const now = performance.now();
    const { progress } = carriage;
    if (progress === undefined) return;
    const rate = takesBandwidth ? undefined : (ram.mbps * 1e6) / 8;
    const told = this.#limit.next({ rate, written: ram.transferred, round }, progress, now);
    if (told === undefined) return;
    this.#told = told.limit;
    await this.#tell((guest) =>
      guest.setParameters({
        'downtime-limit': told.limit,
        ...(takesBandwidth ? { [SWITCHOVER_BANDWIDTH]: told.bandwidth } : {}),
      }),
    );
  }

  /** A destination that cannot be told to run the guest, or a transfer that has failed: the guest stays. */
  #checkParts(): void {
    const { sides, carriage } = this.#parts;
    if (carriage.failure !== undefined) this.#reason ??= carriage.failure;
    if (!sides.destination.broken) return;
    // Monitored makes one attempt at a time.
    sides.destination.reach().catch((thrown: unknown) => {
      this.#reason ??= toRamferryError(thrown);
    });
  }

  async #checkTime(isNewRound: boolean): Promise<void> {
    const { timeout, timeoutStrategy } = this.#parts.values;
    const elapsed = performance.now() - this.#began;
    if (timeout === 0 || elapsed < timeout || this.#isSwitched || this.#reason !== undefined) return;
    if (timeoutStrategy === 'cancel') {
      this.#reason = new RamferryError(
        'ERR_MIGRATION_TIMEOUT',
        `the migration has not ended within ${formatDuration(timeout)}`,
        {
          hint: 'does the guest write faster than the link carries? --timeout-strategy ignore or postcopy ends it',
        },
      );
      return;
    }
    if (!this.#isTheMoment(isNewRound) && elapsed < timeout * LATEST) return;
    this.#isSwitched = true;
    if (timeoutStrategy === 'postcopy') await this.#tell((guest) => guest.startPostcopy());
    else await this.#tell((guest) => guest.setParameters({ 'downtime-limit': (this.#told = NO_LIMIT_MS) }));
  }

  /** The first call after the time-out only sets the target. */
  #isTheMoment(isNewRound: boolean): boolean {
    if (!this.#isDue) {
      this.#isDue = true;
      this.#rounds.isMinimum();
      return false;
    }
    return isNewRound && this.#rounds.isMinimum();
  }
  #isDue = false;

  /** The source has stopped for good: the destination may run as soon as it has loaded its devices. */
  async #postcopy(): Promise<Watched | undefined> {
    if (!this.#isPostcopy) {
      // QEMU says so before it has sent the devices, and still may fail and go on. The next look tells.
      this.#isPostcopy = true;
      return undefined;
    }
    if (this.#reason !== undefined) {
      this.#parts.values.onWarning?.(`postcopy cannot be cancelled: ${this.#reason.describe()}`);
      this.#reason = undefined;
    }
    if (this.#continued !== undefined) return undefined;
    const { destination } = this.#parts.sides;
    try {
      const { status } = await destination.ask((guest) => guest.status());
      if (status === 'inmigrate') return undefined;
    } catch (thrown) {
      return { state: 'split', reason: toRamferryError(thrown) };
    }
    this.#continued = continueDestination(this.#parts.sides, true);
    await this.#continued;
    return undefined;
  }

  /** A command that QEMU may refuse in its present state: the next look shows why. */
  async #tell(command: Parameters<Sides['source']['once']>[0]): Promise<void> {
    await this.#parts.sides.source.once(command).catch(() => undefined);
  }

  /** What a failure is reported as: what this side asked for, else the transfer's error, else QEMU's words. */
  async #cause(info: MigrationStatus): Promise<RamferryError> {
    const { carriage } = this.#parts;
    if (this.#reason !== undefined) return this.#reason;
    await Promise.race([carriage.ended.catch(() => undefined), sleep(CAUSE_MS)]);
    const { failure } = carriage;
    if (failure !== undefined && !CONSEQUENCES.has(failure.code)) return failure;
    const words = info['error-desc'] ?? `its migration is ${info.status ?? 'over'}`;
    return new RamferryError('ERR_MIGRATION_FAILED', `QEMU has not completed the migration: ${words}`, {
      cause: failure,
      hint: "see the destination QEMU's log: does it have the same machine, devices and disks?",
    });
  }
}
