// The actions after a failed migration: resume the source's guest, end the destination's QEMU, or find out whether it has taken
// over. Used by ramferry and by the watchdog that outlives it. Each action opens a monitor connection of its own, so that no
// command of an earlier connection can still take effect.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../errors.js';
import { AwakeDeadline } from '../../os/time/awake-timer.js';
import { QemuGuest } from './qmp/guest.js';
import type { Verdict } from './messages.js';

export interface RescueOptions {
  /** The monitor's socket. */
  readonly qmp: string;
  /** Milliseconds for each command. */
  readonly timeout: number;
  /** The changes that restore the capabilities. */
  readonly capabilities: Readonly<Record<string, boolean>>;
}

const POLL_MS = 5;

async function withGuest<T>(options: RescueOptions, act: (guest: QemuGuest) => Promise<T>): Promise<T> {
  const { qmp, timeout } = options;
  const guest = await QemuGuest.connect(qmp, { timeout, patience: timeout });
  try {
    return await act(guest);
  } finally {
    guest.close();
  }
}

/**
 * Cancels QEMU's migration, continues the guest, and restores the capabilities.
 * @param stopped ramferry stopped the guest or was about to. False: the guest keeps its state, since another client stopped it.
 * @returns whether the guest had to be continued
 * @throws ERR_QMP_*; ERR_GUEST_STATE when it does not run afterwards
 */
export function resumeSource(options: RescueOptions, stopped: boolean): Promise<boolean> {
  return withGuest(options, async (guest) => {
    if (!stopped) {
      await guest.setCapabilities(options.capabilities);
      return false;
    }
    await endMigration(guest, options.timeout);
    const { running } = await guest.status();
    if (!running) {
      await guest.cont();
      const after = await guest.status();
      if (!after.running) {
        throw new RamferryError('ERR_GUEST_STATE', `the source's guest does not run: ${after.status}`);
      }
    }
    await guest.setCapabilities(options.capabilities);
    return !running;
  });
}

/**
 * Resumes the source's guest after an error, and releases the watchdog where the guest runs or cannot be resumed.
 * @param stopped as for {@link resumeSource}
 * @returns the error, with the guest's state where the guest may still be stopped
 */
export async function resumeAfter(
  error: RamferryError,
  options: RescueOptions,
  stopped: boolean,
  watchdog: { release(): Promise<void> },
): Promise<RamferryError> {
  try {
    await resumeSource(options, stopped);
  } catch (thrown) {
    const failure = toRamferryError(thrown);
    // With ERR_QMP_CONNECT the guest is gone together with its QEMU.
    if (stopped && failure.code !== 'ERR_QMP_CONNECT') {
      // The watchdog is not released: it tries again when this process has ended.
      const why = failure.describe();
      return new RamferryError(error.code, `${error.describe()}; the source's guest may be stopped: ${why}`, {
        cause: error,
        hint: "look at the source's QEMU: query-status, and cont if its guest is paused",
      });
    }
  }
  await watchdog.release();
  return error;
}

async function endMigration(guest: QemuGuest, timeout: number): Promise<void> {
  const deadline = new AwakeDeadline(timeout);
  if (!QemuGuest.underWay(await guest.migration())) return;
  await guest.migrateCancel();
  while (QemuGuest.underWay(await guest.migration())) {
    if (deadline.left < 0) {
      throw new RamferryError('ERR_QMP_TIMEOUT', "QEMU's migration cannot be cancelled");
    }
    await sleep(POLL_MS);
  }
}

/** Ends the destination's QEMU, whose guest never ran. Resolves when QEMU is gone. */
export async function dismissDestination(options: RescueOptions): Promise<void> {
  try {
    await withGuest(options, quit);
  } catch (thrown) {
    const error = toRamferryError(thrown);
    // No QEMU listens there: the aim is reached.
    if (error.code !== 'ERR_QMP_CONNECT' && error.code !== 'ERR_QMP_CLOSED') throw error;
  }
}

async function quit(guest: QemuGuest): Promise<void> {
  await guest.quit();
  await guest.monitor.closed;
}

/** States of a loaded guest that never ran here. */
const UNTOUCHED = new Set(['inmigrate', 'paused', 'prelaunch', 'postmigrate']);

/**
 * Finds out whether a `cont` without an answer took effect, and ends QEMU where the guest has not begun to run.
 * Never rejects.
 */
export async function settleDestination(options: RescueOptions): Promise<Verdict> {
  try {
    return await withGuest(options, async (guest): Promise<Verdict> => {
      const { running, status } = await guest.status();
      if (running) return { say: 'running' };
      if (!UNTOUCHED.has(status)) {
        return { say: 'unknown', reason: `the destination's guest is ${status} after cont` };
      }
      await quit(guest);
      return { say: 'refused', reason: 'the guest was not continued' };
    });
  } catch (thrown) {
    return { say: 'unknown', reason: toRamferryError(thrown).describe() };
  }
}
