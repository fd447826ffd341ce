// What has to be so at the source: before anything begins, when the destination introduces itself, before the hand-over.
// Each throws with what is wrong and what to do; none changes anything.

import { RamferryError } from '../../errors.js';
import { QemuGuest } from '../qmp/guest.js';
import type { RamFile } from './ram-files.js';
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

export function checkPartner(theirs: readonly number[] | undefined, files: readonly RamFile[]): void {
  if (theirs === undefined) {
    throw new RamferryError('ERR_LINK_NEGOTIATION', 'what answers is `ramferry receive`', {
      hint: '`migrate` needs `ramferry incoming` at the other end',
    });
  }
  const ours = files.map(({ size }) => size);
  if (theirs.join() === ours.join()) return;
  throw new RamferryError(
    'ERR_GUEST_RAM',
    `the RAM files have ${ours.join(', ')} bytes here and ${theirs.join(', ')} at the destination`,
    { hint: 'start the destination with the same memory, and name its files in the same order' },
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
