// Preconditions at the source: before the migration begins, and before the handover.
// Each check throws with the cause and a remedy; none changes anything.

import { RamferryError } from '../../errors.js';
import { formatSize } from '../../units.js';
import { QemuGuest } from './qmp/guest.js';
import type { MemoryBackend } from './qmp/memory.js';
import { hashDifference, type RamHash, type ReportedHash } from './ram/ram-hash.js';
import type { FinalScan } from './source-stream.js';

export async function checkState(guest: QemuGuest): Promise<void> {
  const { running, status } = await guest.status();
  if (!running) {
    throw new RamferryError('ERR_GUEST_STATE', `the guest does not run: it is ${status}`, {
      hint: '`migrate` moves running guests only; is this the right monitor?',
    });
  }
  if (QemuGuest.underWay(await guest.migration())) {
    throw new RamferryError('ERR_GUEST_STATE', 'QEMU is already migrating this guest', {
      hint: 'wait for it, or cancel it with migrate_cancel',
    });
  }
}

/** From 8.1 on `x-ignore-shared` excludes only RAM in named files (RAM_NAMED_FILE in migration/ram.c). */
const NAMED_FILES_ONLY = 801;

/**
 * QEMU would send such RAM a second time, while the guest is stopped.
 * @throws ERR_GUEST_RAM
 */
export function checkIgnored(version: number, backends: readonly MemoryBackend[]): void {
  if (version < NAMED_FILES_ONLY) return;
  const carried = backends.filter(({ type }) => type !== undefined && type !== 'memory-backend-file');
  if (carried.length === 0) return;
  const names = carried.map(({ id, type }) => `${id} (${type!})`).join(', ');
  const bytes = carried.reduce((sum, { size }) => sum + size, 0);
  throw new RamferryError(
    'ERR_GUEST_RAM',
    `QEMU ${Math.floor(version / 100)}.${version % 100} carries memory backend ${names} itself: ${formatSize(bytes)} more while the guest is stopped`,
    {
      hint: 'from 8.1 on QEMU leaves out memory-backend-file only: use it on /dev/shm, or use ramferry send for this guest',
    },
  );
}

export function checkScan({ differing }: FinalScan): void {
  if (differing === 0) return;
  throw new RamferryError(
    'ERR_GUEST_RAM_CHANGED',
    `${differing} pages of RAM changed after the guest was stopped and its RAM was sent`,
    { hint: 'does something write to its RAM besides QEMU (vhost-user back ends, devices)? Try again' },
  );
}

/**
 * Compares the RAM of both sides (`--verify-ram`).
 * @throws ERR_GUEST_RAM_CHANGED
 */
export function checkHash(here: RamHash | undefined, there: ReportedHash): void {
  const difference = hashDifference(here, there);
  if (difference === undefined) return;
  throw new RamferryError('ERR_GUEST_RAM_CHANGED', difference, {
    hint: 'this is a fault of ramferry or of the host: report it',
  });
}

/** Before the handover QEMU must still be where its own migration has left it. */
export async function checkSaved(guest: QemuGuest): Promise<void> {
  const { status } = await guest.status();
  if (status === 'postmigrate') return;
  throw new RamferryError('ERR_GUEST_STATE', `another client uses the source's QEMU: it is ${status}`);
}
