// The migrations of `ramferry serve` as samples: those that wait or run, and the last that ended. A guest that migrates again replaces
// its earlier sample. The number of samples is bounded.

import type { RamferryError } from '../../errors.js';
import type { Ended } from '../../serve/outcomes.js';
import type { RunningTransfer } from '../../serve/server.js';
import type { TransferSummary } from '../../transfer/statistics/summary.js';
import { MigrationMeter } from './figures.js';
import { type MigrationSample, sideOf } from './sample.js';

/** Ended migrations that keep their sample. */
const KEPT = 32;

type Named = Pick<Ended, 'id' | 'name' | 'direction'>;

export class ServedMigrations {
  /** By direction and name, oldest end first. */
  readonly #ended = new Map<string, MigrationSample>();
  /** Running ones by their number, with their latest progress. */
  readonly #running = new Map<number, MigrationMeter>();

  /** @param running the transfers that wait or run now */
  samples(running: readonly RunningTransfer[]): MigrationSample[] {
    const now = new Map<string, MigrationSample>();
    for (const transfer of running) {
      const meter = this.#meterOf(transfer);
      meter.progress(transfer.progress);
      now.set(keyOf(transfer), meter.sample());
    }
    const before = [...this.#ended].filter(([key]) => !now.has(key));
    return [...before.map(([, sample]) => sample), ...now.values()];
  }

  ended(ended: Ended, outcome: TransferSummary | RamferryError): void {
    const meter = this.#meterOf(ended);
    meter.end(outcome);
    this.#running.delete(ended.id);
    const key = keyOf(ended);
    this.#ended.delete(key);
    this.#ended.set(key, meter.sample());
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= KEPT) break;
      this.#ended.delete(oldest);
    }
  }

  #meterOf({ id, name, direction }: Named): MigrationMeter {
    let meter = this.#running.get(id);
    if (meter === undefined) {
      meter = new MigrationMeter(name, sideOf(direction));
      this.#running.set(id, meter);
    }
    return meter;
  }
}

function keyOf({ direction, name }: Named): string {
  return `${direction}/${name}`;
}
