// QEMU's migration capabilities for a stream without RAM: which must be on, which must be off, and how to restore them.

import { RamferryError } from '../../errors.js';
import type { QemuGuest } from './qmp/guest.js';

/** QEMU leaves shared RAM out of its stream. */
const IGNORE_SHARED = 'x-ignore-shared';
/** The destination activates the disks at `cont`, not when it has loaded: until then the source may resume with them. */
const LATE_BLOCK_ACTIVATE = 'late-block-activate';
/** Off, so that the stream is plain, one-way and on one socket. */
const OFF = [
  'return-path',
  'postcopy-ram',
  'multifd',
  'compress',
  'xbzrle',
  'background-snapshot',
  'mapped-ram',
  'x-colo',
  'zero-copy-send',
  'switchover-ack',
];

/**
 * The capabilities to change at this QEMU.
 * @throws ERR_GUEST_STATE when it is too old
 */
export async function neededCapabilities(
  guest: QemuGuest,
  side: 'source' | 'destination',
): Promise<Record<string, boolean>> {
  const now = await guest.capabilities();
  if (!now.has(IGNORE_SHARED)) {
    throw new RamferryError('ERR_GUEST_STATE', `this QEMU has no capability ${IGNORE_SHARED}`, {
      hint: "QEMU 4.0 or newer is needed; otherwise use ramferry send with QEMU's own migration",
    });
  }
  const on = side === 'source' ? [IGNORE_SHARED] : [IGNORE_SHARED, LATE_BLOCK_ACTIVATE];
  const wanted = [...on.map((name) => [name, true] as const), ...OFF.map((name) => [name, false] as const)];
  return Object.fromEntries(wanted.filter(([name, state]) => now.has(name) && now.get(name) !== state));
}

/** The change that undoes `changes`. */
export function opposite(changes: Readonly<Record<string, boolean>>): Record<string, boolean> {
  return Object.fromEntries(Object.entries(changes).map(([name, state]) => [name, !state]));
}
