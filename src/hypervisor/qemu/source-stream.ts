// Generates the source's stream: RAM in rounds while the guest runs, the guest's stop, the last round, the device state. The
// engine pulls the pieces, so the generator is the sequence of the protocol up to the handover.
// At its end QEMU has saved the devices, and the final scan has begun.

import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError } from '../../errors.js';
import type { MemoryGrammar } from '../../grammar/memory.js';
import {
  MAX_STATE_BYTES,
  MEMORY_FLAG_HASH,
  MEMORY_FLAG_MATCHED,
  MEMORY_RECORD,
  writeMemoryHeader,
  writeMemoryRecord,
  writePagesHead,
} from '../../grammar/memory-format.js';
import type { SharedMemoryFigures } from '../../transfer/statistics/summary.js';
import { formatDuration, formatRate, GIB } from '../../units.js';
import { QemuGuest } from './qmp/guest.js';
import type { Convergence, Forecast } from './convergence.js';
import type { HandoverProtocol } from './handover-protocol.js';
import type { RamFile } from './ram/ram-files.js';
import type { Scanner } from './ram/scanner.js';
import type { StateInlet } from './state-socket.js';

const POLL_MS = 2;
const KEEP_ALIVE_MS = 500;
/** From this round on the user is warned that the migration does not converge. */
const WARNING_ROUND = 4;

export interface SourceStreamParts {
  readonly guest: QemuGuest;
  readonly files: readonly RamFile[];
  readonly scanner: Scanner;
  readonly handover: HandoverProtocol;
  readonly inlet: StateInlet;
  readonly grammar: MemoryGrammar;
  readonly convergence: Convergence;
  /** Milliseconds for each wait. */
  readonly timeout: number;
  readonly verifyRam: boolean;
  /** The files are in the order of the destination's backends. */
  readonly matched: boolean;
  /** Called before the guest is stopped. */
  readonly beforeStop: () => Promise<void>;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface FinalScan {
  /** Pages that differ from their sent contents. */
  readonly differing: number;
  readonly milliseconds: number;
}

export class SourceStream {
  readonly #parts: SourceStreamParts;
  /** performance.now() at the command that stops the guest. */
  stoppedAt: number | undefined;
  /** Milliseconds from there to the destination's `ram-applied`. */
  lastRound: number | undefined;
  /** Begins when QEMU has saved the devices. */
  finalScan: Promise<FinalScan> | undefined;
  forecast: Forecast | undefined;
  #warned = false;

  constructor(parts: SourceStreamParts) {
    this.#parts = parts;
  }

  /** Rounds so far, the last one included. */
  get rounds(): number {
    return this.#parts.convergence.rounds + (this.stoppedAt === undefined ? 0 : 1);
  }

  /** Rounds that have begun. */
  get begunRounds(): number {
    return this.#parts.convergence.rounds + 1;
  }

  /** What the summary says of the rounds and scans. @param ramSize bytes */
  figures(scan: FinalScan, ramSize: number): SharedMemoryFigures {
    return {
      rounds: this.rounds,
      ramSize,
      dirtyRate: Math.round(this.forecast?.dirtyRate ?? 0),
      lastRound: Math.round(this.lastRound ?? 0),
      finalScan: Math.round(scan.milliseconds),
      finalScanPerGib: Math.round((scan.milliseconds * GIB) / ramSize),
    };
  }

  async *pieces(): AsyncGenerator<Uint8Array, void> {
    const { files, convergence, handover, timeout, verifyRam, matched } = this.#parts;
    const sizes = files.map(({ size }) => size);
    const flags = (verifyRam ? MEMORY_FLAG_HASH : 0) | (matched ? MEMORY_FLAG_MATCHED : 0);
    yield writeMemoryHeader(sizes, flags);
    for (;;) {
      const forecast = yield* this.#liveRound();
      yield writeMemoryRecord(MEMORY_RECORD.round, 0, convergence.rounds);
      if (convergence.isDue(forecast)) break;
      this.#tell(forecast);
    }
    await this.#stop();
    yield* this.#pages({ scanning: 0, carrying: 0, pages: 0 });
    handover.expect('ram-applied');
    yield writeMemoryRecord(MEMORY_RECORD.ramEnd, 0, this.rounds);
    await handover.await(['ram-applied'], timeout, 'that RAM is in place');
    this.lastRound = performance.now() - this.stoppedAt!;
    yield* this.#state();
    this.finalScan = this.#scanAgain();
    // The handover awaits it later; until then a rejection must not count as unhandled.
    this.finalScan.catch(() => undefined);
    handover.expect('ready');
    yield writeMemoryRecord(MEMORY_RECORD.end, 0, 0);
  }

  async *#liveRound(): AsyncGenerator<Uint8Array, Forecast> {
    const began = performance.now();
    const times = { scanning: 0, carrying: 0, pages: 0 };
    yield* this.#pages(times);
    this.forecast = this.#parts.convergence.add({ ...times, milliseconds: performance.now() - began });
    return this.forecast;
  }

  /** One pass over RAM. @param times the pass adds its pages and milliseconds here */
  async *#pages(times: { scanning: number; carrying: number; pages: number }): AsyncGenerator<Uint8Array> {
    const { scanner } = this.#parts;
    let mark = performance.now();
    let spoke = mark;
    const lap = (): number => {
      const before = mark;
      mark = performance.now();
      return mark - before;
    };
    for await (const { region, numbers, pages } of scanner.round()) {
      if (numbers.length === 0) {
        // The scan of an idle guest of many GiB may exceed the destination's --io-timeout: an empty record is a keep-alive.
        if (performance.now() - spoke < KEEP_ALIVE_MS) continue;
        yield writePagesHead(region, numbers);
        spoke = performance.now();
        continue;
      }
      times.scanning += lap();
      times.pages += numbers.length;
      yield writePagesHead(region, numbers);
      yield pages;
      times.carrying += lap();
      spoke = mark;
    }
    times.scanning += lap();
  }

  async #stop(): Promise<void> {
    const { guest, grammar, beforeStop } = this.#parts;
    const { running, status } = await guest.status();
    if (!running) {
      throw new RamferryError('ERR_GUEST_STATE', `the guest no longer runs: ${status}`);
    }
    await beforeStop();
    this.stoppedAt = performance.now();
    grammar.downtime = true;
    await guest.stop();
  }

  async *#state(): AsyncGenerator<Uint8Array, void> {
    const { guest, inlet, timeout } = this.#parts;
    await guest.migrate(inlet.uri);
    for await (const piece of inlet.read(timeout)) {
      for (let at = 0; at < piece.length; at += MAX_STATE_BYTES) {
        const part = piece.subarray(at, at + MAX_STATE_BYTES);
        yield writeMemoryRecord(MEMORY_RECORD.state, 0, part.length);
        yield part;
      }
    }
    for (;;) {
      const status = await guest.migration();
      if (status.status === 'completed') return;
      if (!QemuGuest.underWay(status)) {
        const why = status['error-desc'] ?? status.status ?? 'no migration';
        throw new RamferryError('ERR_GUEST_STATE', `QEMU has not saved the device state: ${why}`);
      }
      await sleep(POLL_MS);
    }
  }

  async #scanAgain(): Promise<FinalScan> {
    const began = performance.now();
    const differing = await this.#parts.scanner.differing();
    return { differing, milliseconds: performance.now() - began };
  }

  #tell({ downtime, dirtyRate, throughput }: Forecast): void {
    const { convergence, onWarning } = this.#parts;
    if (this.#warned || convergence.rounds < WARNING_ROUND) return;
    this.#warned = true;
    onWarning?.(
      `after ${convergence.rounds} rounds the guest still writes ${formatRate(dirtyRate)}` +
        (Number.isFinite(throughput) ? `, of which ${formatRate(throughput)} can be sent` : '') +
        `: stopped now, it would stand still for ${formatDuration(downtime)} (limit ${formatDuration(convergence.limit)}); ` +
        `at most ${convergence.maxRounds - convergence.rounds} rounds follow`,
    );
  }
}
