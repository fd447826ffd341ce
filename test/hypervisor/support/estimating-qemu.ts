// A model of QEMU's pre-copy before a link, by the rules of migration.c and ram.c, with a guest that goes on writing. Steps of 1 ms, no clock.
// The pipeline is a buffer of guest bytes that drains at the link's rate times the ratio of the pages in it.

import { DowntimeLimit } from '../../../src/hypervisor/qemu/whole/downtime-limit.js';

/** BUFFER_DELAY: QEMU's estimate and threshold are those of the last interval. */
const ESTIMATE_MS = 100;
/** MAX_WAIT of ram.c: QEMU compares what is left after so long. */
const ITERATION_MS = 50;
/** How often `qemu-migrate` looks. */
const LOOK_MS = 100;
/** QEMU finishes this many bytes a millisecond at most. */
const FASTEST = 400_000;

export interface ModelledMigration {
  /** Bytes of guest memory. */
  readonly ram: number;
  /** Bytes a second of the link. */
  readonly link: number;
  /** Guest bytes for each byte on the link, by the place in memory, 0 to 1. */
  readonly ratio: (place: number) => number;
  /** Bytes that the guest writes in a second, cyclically in `written` bytes. */
  readonly dirtied: number;
  readonly written: number;
  /** Guest bytes that fit between QEMU and the link. */
  readonly buffered: number;
  /** Milliseconds of pause that `qemu-migrate` aims at. Default: QEMU is left alone. */
  readonly wanted?: number;
  /** Milliseconds, for a QEMU that is left alone. Default 300. */
  readonly limit?: number;
  readonly takesBandwidth?: boolean;
  /** Shifts QEMU's intervals. */
  readonly seed: number;
}

/** @returns milliseconds for which the guest stood still, and rounds of pre-copy, the last one included */
export function conduct(options: ModelledMigration): { readonly pause: number; readonly rounds: number } {
  const { ram, ratio, dirtied, written: most, buffered, wanted, takesBandwidth = false, seed } = options;
  const link = options.link / 1000;
  const control = wanted === undefined ? undefined : new DowntimeLimit(wanted, 0);
  let limit = wanted === undefined ? (options.limit ?? 300) : 1;
  let [bandwidth, threshold, estimate] = [0, 0, 0];
  let [left, dirty, round] = [ram, 0, 1];
  let [written, delivered, sent] = [0, 0, 0];
  let [from, before] = [-(seed * 7) % ESTIMATE_MS, 0];
  let stopped: number | undefined;

  const sync = (): void => {
    left += dirty;
    dirty = 0;
    round++;
  };
  /** `migration_iteration_run` */
  const compare = (): boolean => {
    if (left < threshold) sync();
    return left === 0 || left < threshold;
  };

  for (let now = 1; now < 1_000_000; now++) {
    const wrote = Math.min(left, buffered - (written - delivered), FASTEST);
    written += wrote;
    left -= wrote;
    const drained = Math.min(written - delivered, link * ratio(((delivered / ram) * 7) % 1));
    sent += drained / ratio(((delivered / ram) * 7) % 1);
    delivered += drained;
    if (stopped !== undefined) {
      if (left === 0 && delivered >= written) return { pause: now - stopped, rounds: round };
      continue;
    }
    dirty = Math.min(most, dirty + dirtied / 1000);
    if (now - from >= ESTIMATE_MS) {
      estimate = (written - before) / (now - from);
      [from, before] = [now, written];
      threshold = Math.floor((bandwidth === 0 ? estimate : bandwidth / 1000) * limit);
    }
    if (control !== undefined && now % LOOK_MS === 0) {
      const rate = takesBandwidth ? undefined : estimate * 1000;
      const progress = { guestBytes: delivered, linkBytes: sent };
      const told = control.next({ rate, written, round }, progress, now);
      if (told !== undefined) ({ limit } = told);
      if (told !== undefined && takesBandwidth) ({ bandwidth } = told);
    }
    if (now % ITERATION_MS === 0 && compare()) {
      stopped = now;
      sync();
    }
  }
  throw new Error('the migration does not end');
}
