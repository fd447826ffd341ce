// The simulated guest as the source of a migration: takes options, returns a report in the words of QEMU's
// query-migrate. Opens the link, and closes it on success and on failure.

import { parseAddress } from '../link/address.js';
import { openOutput } from '../link/open.js';
import { PAGE_BYTES } from '../page/size.js';
import { createGuest } from './guest.js';
import type { SourceOptions } from '../options/rows/guest.js';
import { guestOf, loadOf, policyOf, resolveSourceOptions } from './options.js';
import type { RoundStatistics } from './precopy.js';
import { ProcessMeter, type ProcessCost } from '../os/process/process-meter.js';
import { sendGuest } from './send.js';

export interface GuestHooks {
  readonly signal?: AbortSignal;
  readonly onListening?: (address: string) => void;
  readonly onWarning?: (message: string) => void;
}

export interface SourceHooks extends GuestHooks {
  /** Called when the guest's RAM exists. @param bytes size of RAM */
  readonly onReady?: (bytes: number) => void;
  readonly onRound?: (round: RoundStatistics) => void;
}

/** Field names follow QEMU's MigrationInfo and MigrationStats where these have the figure. */
export interface SourceSummary extends ProcessCost {
  readonly status: 'completed';
  /** Milliseconds from the first byte to the end of the downtime. */
  readonly 'total-time': number;
  /** Milliseconds from the pause to the destination's acknowledgement; one way: until the sink took the last byte. */
  readonly downtime: number;
  /** The destination has acknowledged the guest, and the source has compared RAM. */
  readonly acknowledged: boolean;
  /** The remaining pages fitted the downtime limit. After a fixed number of rounds: no dirty page was left. */
  readonly converged: boolean;
  readonly ram: {
    /** Bytes of the stream that the source wrote. */
    readonly transferred: number;
    /** Bytes of RAM. */
    readonly total: number;
    /** Pages sent, pages sent again included. */
    readonly pages: number;
    readonly 'page-size': number;
    /** Rounds, the stop-and-copy round included. */
    readonly 'dirty-sync-count': number;
    /** Pages made dirty per second, in the last live round. */
    readonly 'dirty-pages-rate': number;
    /** Megabits (10^6) of the stream per second. */
    readonly mbps: number;
  };
  /** Pages that the guest's program wrote during the migration. */
  readonly writes: number;
  readonly rounds: readonly RoundStatistics[];
}

/** @throws RamferryError as createGuest, sendGuest and the link do */
export async function runGuestSource(
  options: SourceOptions,
  hooks: SourceHooks = {},
): Promise<SourceSummary> {
  const settings = resolveSourceOptions(options);
  const address = parseAddress(settings.output);
  const guest = await createGuest(guestOf(settings));
  hooks.onReady?.(guest.ram.pages * PAGE_BYTES);
  const load = loadOf(settings, guest.mainPages);
  const { connectTimeout, ioTimeout, oneWay, maxBandwidth } = settings;
  const channel = await openOutput(address, { connectTimeout, ioTimeout, maxBandwidth, ...hooks });
  const meter = new ProcessMeter();
  const report = await sendGuest(oneWay ? { ...channel, duplex: false } : channel, guest, {
    policy: policyOf(settings),
    ...(load === undefined ? {} : { load }),
    ...(hooks.onRound === undefined ? {} : { onRound: hooks.onRound }),
  });
  const { rounds, converged, acknowledged, pages, bytes, writes, totalMilliseconds } = report;
  return {
    status: 'completed',
    'total-time': Math.round(totalMilliseconds),
    downtime: Math.round(report.downtimeMilliseconds),
    acknowledged,
    converged,
    ram: {
      transferred: bytes,
      total: guest.ram.pages * PAGE_BYTES,
      pages,
      'page-size': PAGE_BYTES,
      'dirty-sync-count': rounds.length,
      'dirty-pages-rate': Math.round(rounds.at(-2)?.dirtyRate ?? 0),
      mbps: Math.round((bytes * 8) / totalMilliseconds) / 1000,
    },
    writes,
    rounds,
    ...meter.cost(),
  };
}
