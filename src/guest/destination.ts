// The simulated guest as the destination of a migration: takes options, returns a report.
// Opens the link, and closes it on success and on failure.

import { parseAddress } from '../link/address.js';
import { openInput } from '../link/open.js';
import { hypervisor } from '../control/peer-rules.js';
import { PAGE_BYTES } from '../page/size.js';
import { resolveDestinationOptions } from './options.js';
import type { DestinationOptions } from '../options/rows/guest.js';
import { ProcessMeter, type ProcessCost } from '../os/process/process-meter.js';
import { receiveGuest } from './receive.js';
import type { GuestHooks } from './source.js';

export interface DestinationSummary extends ProcessCost {
  readonly status: 'completed';
  readonly format: 'qemu' | 'libxc';
  /** Milliseconds from the first read of the stream to the acknowledgement. */
  readonly 'total-time': number;
  /** The destination has acknowledged the guest, and the source compares RAM. */
  readonly acknowledged: boolean;
  /** The destination has compared RAM with the hash in the stream. */
  readonly verified: boolean;
  readonly ram: {
    /** Bytes of the stream. */
    readonly transferred: number;
    /** Bytes of RAM. */
    readonly total: number;
    /** Pages received, pages sent again included. */
    readonly pages: number;
    readonly 'page-size': number;
    /** Passes over memory. */
    readonly 'dirty-sync-count': number;
  };
}

/** @throws RamferryError as receiveGuest and the link do */
export async function runGuestDestination(
  options: DestinationOptions,
  hooks: GuestHooks = {},
): Promise<DestinationSummary> {
  const { input, connectTimeout, ioTimeout, oneWay, ramLimit } = resolveDestinationOptions(options);
  const opening = { connectTimeout, ioTimeout, peer: hypervisor(), ...hooks };
  const channel = await openInput(parseAddress(input), opening);
  const meter = new ProcessMeter();
  const duplex = channel.duplex && !oneWay;
  const report = await receiveGuest({ ...channel, duplex }, { limitBytes: ramLimit });
  return {
    status: 'completed',
    format: report.format,
    'total-time': Math.round(report.milliseconds),
    acknowledged: duplex,
    verified: report.verified,
    ram: {
      transferred: report.bytes,
      total: report.ram.pages * PAGE_BYTES,
      pages: report.pages,
      'page-size': PAGE_BYTES,
      'dirty-sync-count': report.passes,
    },
    ...meter.cost(),
  };
}
