// What `incoming` checks in its QEMU: that it waits for a guest, and that it has loaded one and does not run it.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../errors.js';
import { AwakeDeadline } from '../../os/time/awake-timer.js';
import type { QemuGuest } from './qmp/guest.js';

const POLL_MS = 2;

/** @throws ERR_GUEST_STATE, ERR_QMP_… */
export async function checkWaiting(guest: QemuGuest): Promise<void> {
  const { status } = await guest.status();
  if (status === 'inmigrate') return;
  throw new RamferryError(
    'ERR_GUEST_STATE',
    `this QEMU does not wait for a migration: its state is ${status}`,
    { hint: 'start it with -incoming defer' },
  );
}

/**
 * Resolves when QEMU has loaded the devices.
 * @param limit milliseconds
 * @throws ERR_HANDOVER_UNKNOWN when another client has continued the guest; ERR_QMP_…
 */
export async function untilLoaded(guest: QemuGuest, limit: number): Promise<void> {
  const deadline = new AwakeDeadline(limit);
  for (;;) {
    const { status, running } = await guest.status();
    if (running) {
      throw new RamferryError('ERR_HANDOVER_UNKNOWN', 'another client has continued the guest here');
    }
    if (status !== 'inmigrate') return;
    if (deadline.left < 0) {
      throw new RamferryError('ERR_QMP_TIMEOUT', 'QEMU does not finish loading the device state');
    }
    await sleep(POLL_MS);
  }
}
