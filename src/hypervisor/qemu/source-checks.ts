// What has to be so at the source: before anything begins, when the destination introduces itself, before the hand-over.
// Each throws with what is wrong and what to do; none changes anything.

import { RamferryError } from '../../errors.js';
import { formatSize } from '../../units.js';
import { QemuGuest } from './qmp/guest.js';
import type { MemoryBackend } from './qmp/memory.js';
import type { RamFile } from './ram/ram-files.js';
import { matchBackends, type ToldBackend } from './ram/ram-matching.js';
import type { FinalScan } from './source-stream.js';

export async function checkState(guest: QemuGuest): Promise<void> {
  const { running, status } = await guest.status();
  if (!running) {
    throw new RamferryError('ERR_GUEST_STATE', `the guest does not run: it is ${status}`, {
      hint: 'this migrates running guests; is it the right monitor?',
    });
  }
  if (QemuGuest.underWay(await guest.migration())) {
    throw new RamferryError('ERR_GUEST_STATE', 'QEMU is migrating this guest already', {
      hint: 'wait for it, or cancel it with migrate_cancel',
    });
  }
}

/** What the destination's hello says of its RAM. */
export interface PartnerRam {
  readonly ram?: readonly number[] | undefined;
  readonly ramBackends?: readonly ToldBackend[] | undefined;
}

export interface Matched {
  /** In the destination's order. */
  readonly files: readonly RamFile[];
  /** By what both QEMUs say, not by the order of `--ram`. */
  readonly matched: boolean;
}

/** @throws ERR_LINK_NEGOTIATION, ERR_GUEST_RAM */
export function checkPartner(
  { ram, ramBackends }: PartnerRam,
  files: readonly RamFile[],
  ramUnchecked: boolean,
): Matched {
  if (ram === undefined) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'what answers is `ramferry receive`', {
      hint: '`migrate` needs `ramferry incoming` at the other end',
    });
  }
  const backends = files.map(({ backend }) => backend).filter((backend) => backend !== undefined);
  if (ramBackends !== undefined && backends.length === files.length) {
    const order = matchBackends(backends, ramBackends);
    return { files: order.map((backend) => files.find((file) => file.backend === backend)!), matched: true };
  }
  const ours = files.map(({ size }) => size);
  if (ram.join() !== ours.join()) {
    throw new RamferryError(
      'ERR_GUEST_RAM',
      `the RAM files have ${ours.join(', ')} bytes here and ${ram.join(', ')} at the destination`,
      { hint: 'start the destination with the same memory, and name its files in the same order' },
    );
  }
  if (files.length > 1 && !ramUnchecked) {
    const side = ramBackends === undefined ? 'the destination does' : 'this side does';
    throw new RamferryError(
      'ERR_GUEST_RAM',
      `${side} not tell which memory backend each of its ${files.length} RAM files is`,
      {
        hint: 'use this version of ramferry on both sides, or vouch for the order of --ram with --ram-unchecked on both sides',
      },
    );
  }
  return { files, matched: false };
}

/** From 8.1 on `x-ignore-shared` leaves out RAM of named files only (RAM_NAMED_FILE in migration/ram.c). */
const NAMED_FILES_ONLY = 801;

/**
 * QEMU would carry such RAM a second time, while the guest is stopped.
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
