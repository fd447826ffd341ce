// Decides when the guest is stopped: when the remaining pages fit the downtime limit, or after the last allowed round.
// Fed with what each round was; does no I/O. Everything in milliseconds, bytes and pages.

import { expectedDowntimeMs } from '../../model/precopy.js';
import { PAGE_BYTES } from '../../page/size.js';

export interface Round {
  /** Pages that were sent. */
  readonly pages: number;
  readonly milliseconds: number;
  /** Of these: waiting for the scan. */
  readonly scanning: number;
  /** Of these: waiting for the engine and the link to take pages. */
  readonly carrying: number;
}

export interface Forecast {
  /** Milliseconds that the guest would stand still if it were stopped now. */
  readonly downtime: number;
  /** Bytes of pages that the guest writes to per second. */
  readonly dirtyRate: number;
  /** Bytes of pages that leave per second. */
  readonly throughput: number;
}

/** Devices' state, and the messages to and fro. */
const OVERHEAD_MS = 25;
/** A round that carried for less says little about the link. */
const SHORTEST_SAMPLE_MS = 50;

export class Convergence {
  readonly #rounds: Round[] = [];
  #throughput = Infinity;

  /** @param limit milliseconds of downtime. @param maxRounds rounds while the guest runs, at least 1 */
  constructor(
    readonly limit: number,
    readonly maxRounds: number,
  ) {}

  get rounds(): number {
    return this.#rounds.length;
  }

  add(round: Round): Forecast {
    this.#rounds.push(round);
    const { pages, milliseconds, scanning, carrying } = round;
    if (carrying >= SHORTEST_SAMPLE_MS) this.#throughput = (pages * PAGE_BYTES * 1000) / carrying;
    const dirty = this.rounds === 1 ? undefined : pages * PAGE_BYTES;
    return {
      // The first round says nothing about what the guest writes.
      // Two scans: the last round's, and the one after QEMU has saved the devices.
      downtime:
        dirty === undefined
          ? Infinity
          : OVERHEAD_MS + 2 * scanning + expectedDowntimeMs(dirty, this.#throughput),
      dirtyRate: dirty === undefined || milliseconds === 0 ? 0 : (dirty * 1000) / milliseconds,
      throughput: this.#throughput,
    };
  }

  /** Whether the guest is stopped now. */
  isDue({ downtime }: Forecast): boolean {
    return downtime <= this.limit || this.rounds >= this.maxRounds;
  }
}
