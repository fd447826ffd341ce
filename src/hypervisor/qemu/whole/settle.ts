// The end of a migration: which side runs the guest (docs/INTEGRATION.md, "The one rule"). The destination gets `cont` once the source
// can no longer run the guest; the source gets `cont` once the destination's QEMU has ended. Where neither is certain, both stay as
// they are, and the outcome is unknown.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../../errors.js';
import { AwakeDeadline } from '../../../os/time/awake-timer.js';
import type { GuestStatus } from '../qmp/guest.js';
import type { Monitored } from './monitored.js';

/** The two QEMUs. */
export interface Sides {
  readonly source: Monitored;
  readonly destination: Monitored;
  /** Milliseconds for QEMU to reach a state. */
  readonly timeout: number;
}

const POLL_MS = 5;

export function unknown(what: string, cause?: unknown): RamferryError {
  return new RamferryError('ERR_HANDOVER_UNKNOWN', what, {
    cause,
    hint:
      'query-status and query-migrate at both QEMUs: if the guest runs at the destination, quit the source; ' +
      "if not, end the destination's QEMU first, and cont the source afterwards",
  });
}

/**
 * The source said `completed`, or postcopy has begun: it does not run the guest any more. Continues the destination.
 * @param isPostcopy the source cannot take the guest back
 * @throws ERR_HANDOVER_UNKNOWN; any other error: the source runs the guest again
 */
export async function continueDestination(sides: Sides, isPostcopy: boolean): Promise<void> {
  const { destination } = sides;
  const refused = async (thrown: unknown): Promise<void> => {
    const error = toRamferryError(thrown);
    if (isPostcopy) throw unknown(`the guest is split between both sides: ${error.describe()}`, error);
    await giveBack(sides, error);
  };
  // Until `cont` was sent, the destination was never told to run.
  await loaded(sides).catch(refused);
  try {
    await destination.once((guest) => guest.cont());
  } catch (thrown) {
    if (toRamferryError(thrown).code === 'ERR_QMP_COMMAND') await refused(thrown);
    // Any other error: the command may have been executed.
  }
  await confirmRunning(sides);
}

/** Resolves when the destination has loaded the guest and waits. */
async function loaded({ destination, timeout }: Sides): Promise<void> {
  const deadline = new AwakeDeadline(timeout);
  for (;;) {
    const { status, running } = await destination.ask((guest) => guest.status());
    if (status === 'paused' || running) return;
    if (deadline.left <= 0 || status !== 'inmigrate') {
      throw new RamferryError('ERR_GUEST_STATE', `the destination's guest is ${status} after the migration`);
    }
    await sleep(POLL_MS);
  }
}

/** After `cont`, which may be without an answer: repeats it where the guest still waits. */
async function confirmRunning(sides: Sides): Promise<void> {
  const { destination } = sides;
  let state: GuestStatus;
  try {
    state = await destination.ask((guest) => guest.status());
    if (state.status === 'paused') {
      await destination.ask((guest) => guest.cont());
      state = await destination.ask((guest) => guest.status());
    }
  } catch (thrown) {
    const why = toRamferryError(thrown).describe();
    throw unknown(`the destination was told to run the guest, and does not answer any more: ${why}`, thrown);
  }
  if (WAITING.has(state.status)) {
    throw unknown(`the destination was told to run the guest, and is ${state.status}`);
  }
}

/** States of a guest that has not run. In any other state it has: a guest may also shut down or fail at once. */
const WAITING = new Set(['inmigrate', 'paused', 'prelaunch', 'postmigrate']);

/**
 * The destination will not run the guest: ends its QEMU, and then continues the source.
 * @throws `reason` once the source runs; ERR_HANDOVER_UNKNOWN where that is not certain
 */
export async function giveBack(sides: Sides, reason: RamferryError): Promise<never> {
  const { source, destination } = sides;
  const ended = await destination.quit();
  let state: GuestStatus;
  try {
    state = await source.ask((guest) => guest.status());
    if (state.running) throw reason;
    if (!ended) {
      throw unknown(
        `${reason.describe()}; the source's guest is ${state.status}, and it is not certain that the destination's QEMU at ${destination.text} has ended`,
        reason,
      );
    }
    await source.ask(async (guest) => {
      if (!(await guest.status()).running) await guest.cont();
    });
    state = await source.ask((guest) => guest.status());
  } catch (thrown) {
    const error = toRamferryError(thrown);
    if (error === reason || error.code === 'ERR_HANDOVER_UNKNOWN') throw error;
    throw unknown(`${reason.describe()}; the source does not answer: ${error.describe()}`, error);
  }
  if (!state.running) throw unknown(`${reason.describe()}; the source's guest is ${state.status}`, reason);
  throw reason;
}

/**
 * The source's monitor is lost. Its guest is at the destination if that has all of it and the source's QEMU has ended.
 * @throws ERR_HANDOVER_UNKNOWN otherwise
 */
export async function takeOver(sides: Sides, reason: RamferryError): Promise<void> {
  const { source, destination } = sides;
  const lost = `the source's monitor at ${source.text} is lost (${reason.describe()})`;
  if (!source.gone) throw unknown(`${lost}, and it is not certain that its QEMU has ended`, reason);
  if (!(await hasAll(sides))) {
    throw unknown(
      `the source's QEMU has ended before the destination had all of the guest: the guest is lost, as without a migration`,
      reason,
    );
  }
  await destination.ask((guest) => guest.cont());
  await confirmRunning(sides);
}

/** Whether the destination has the whole guest, once it has read what is still under way. */
async function hasAll({ destination, timeout }: Sides): Promise<boolean> {
  const deadline = new AwakeDeadline(timeout);
  try {
    for (;;) {
      const { status } = await destination.ask((guest) => guest.migration());
      const state = await destination.ask((guest) => guest.status());
      if (status === 'completed' && state.status !== 'inmigrate') return true;
      if (status === 'failed' || deadline.left <= 0) return false;
      await sleep(POLL_MS);
    }
  } catch {
    return false;
  }
}
