// What both QEMUs are told before a migration: capabilities and parameters for one plain stream with a return path, and a destination
// that waits when it has loaded the guest. Returns how to restore the source's settings.

import { RamferryError } from '../../../errors.js';
import { QemuGuest } from '../qmp/guest.js';

/** Off at both ends: the stream goes over one socket, has all of RAM, and is compressed by ramferry. */
const OFF = [
  'multifd',
  'postcopy-preempt',
  'compress',
  'xbzrle',
  'background-snapshot',
  'mapped-ram',
  'x-colo',
  'x-ignore-shared',
  'zero-copy-send',
  'pause-before-switchover',
  'rdma-pin-all',
  'block',
];

/** QEMU counts what it writes, before compression: far above any link (docs/INTEGRATION.md). */
const MAX_BANDWIDTH = 100_000_000_000;

/** The parameter of QEMU 8.2 and newer that replaces its estimate of the bandwidth: bytes per second, 0 = estimate. */
export const SWITCHOVER_BANDWIDTH = 'avail-switchover-bandwidth';

/** What the migration sets at the source, and what was there before. */
export interface SourceSettings {
  readonly restore: (guest: QemuGuest) => Promise<void>;
  readonly warnings: readonly string[];
  /** Whether this QEMU has {@link SWITCHOVER_BANDWIDTH}. */
  readonly takesBandwidth: boolean;
}

/** @throws ERR_GUEST_STATE where this QEMU cannot be migrated in this way */
export async function prepareSource(
  guest: QemuGuest,
  { downtimeLimit, postcopy }: { readonly downtimeLimit: number; readonly postcopy: boolean },
): Promise<SourceSettings> {
  const before = await guest.parameters();
  const capabilities = await changes(guest, {
    ...{ 'return-path': true, 'postcopy-ram': postcopy },
    // The end is heard at once, not at the next look: the guest waits.
    events: true,
  });
  const parameters = { 'max-bandwidth': MAX_BANDWIDTH, 'downtime-limit': downtimeLimit };
  const restored = Object.fromEntries(
    [...Object.keys(parameters), SWITCHOVER_BANDWIDTH]
      .filter((name) => before[name] !== undefined)
      .map((name) => [name, before[name]]),
  );
  const undo = Object.fromEntries(Object.entries(capabilities).map(([name, state]) => [name, !state]));
  await guest.setCapabilities(capabilities);
  await guest.setParameters(parameters);
  const takesBandwidth = before[SWITCHOVER_BANDWIDTH] !== undefined;
  const tls = before['tls-creds'];
  return {
    takesBandwidth,
    restore: async (again) => {
      await again.setCapabilities(undo);
      await again.setParameters(restored);
    },
    warnings:
      typeof tls === 'string' && tls !== ''
        ? [`the source's QEMU encrypts its stream (tls-creds ${tls}): ramferry cannot compress it`]
        : [],
  };
}

/**
 * Makes the destination wait with a loaded guest, whatever its command line says, and listen where `incoming` says.
 * @throws ERR_GUEST_STATE where it does not wait for a guest
 */
export async function prepareDestination(
  guest: QemuGuest,
  { incoming, postcopy }: { readonly incoming: string | undefined; readonly postcopy: boolean },
): Promise<void> {
  await checkDestination(guest);
  // While QEMU waits for a guest, `stop` means: do not run it when it has come (qmp_stop clears `autostart`).
  await guest.stop();
  const states = { 'return-path': true, 'postcopy-ram': postcopy, 'late-block-activate': true };
  await guest.setCapabilities(await changes(guest, states));
  if (incoming !== undefined) await listen(guest, incoming);
}

async function checkDestination(guest: QemuGuest): Promise<void> {
  const { status } = await guest.status();
  const migration = await guest.migration();
  if (status === 'inmigrate' && migration.status !== 'active') return;
  const what =
    status === 'inmigrate' ? 'is receiving a guest already' : `does not wait for a guest: it is ${status}`;
  throw new RamferryError('ERR_GUEST_STATE', `the destination's QEMU ${what}`, {
    hint: 'start it with the same machine, -S and -incoming defer; is this the right monitor?',
  });
}

async function listen(guest: QemuGuest, incoming: string): Promise<void> {
  try {
    await guest.migrateIncoming(incoming);
  } catch (thrown) {
    if (!(thrown instanceof RamferryError) || thrown.code !== 'ERR_QMP_COMMAND') throw thrown;
    throw new RamferryError(
      'ERR_GUEST_STATE',
      `the destination's QEMU does not listen at ${incoming}: ${thrown.message}`,
      {
        cause: thrown,
        hint: 'start it with -incoming defer; one that listens already needs no --incoming',
      },
    );
  }
}

/** @returns the capabilities that differ, of those that this QEMU has */
async function changes(
  guest: QemuGuest,
  states: Readonly<Record<string, boolean>>,
): Promise<Record<string, boolean>> {
  const now = await guest.capabilities();
  if (!now.has('return-path')) {
    throw new RamferryError('ERR_GUEST_STATE', 'this QEMU has no capability return-path', {
      hint: 'QEMU 2.4 or newer is needed',
    });
  }
  const wanted = { ...Object.fromEntries(OFF.map((name) => [name, false])), ...states };
  return Object.fromEntries(
    Object.entries(wanted).filter(([name, state]) => now.has(name) && now.get(name) !== state),
  );
}
