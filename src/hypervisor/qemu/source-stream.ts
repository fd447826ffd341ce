// The source's side of the stream: RAM in rounds while the guest runs, its stop, the last round, the device state. Made
// piece by piece as the engine asks for it, so the generator is the sequence of the protocol up to the hand-over.
// What it promises at its end: QEMU has saved the devices, and the scan that follows is under way.

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
import { formatDuration, formatRate } from '../../units.js';
import { QemuGuest } from './qmp/guest.js';
import type { Convergence, Forecast } from './convergence.js';
import type { HandoverProtocol } from './handover-protocol.js';
import type { RamFile } from './ram/ram-files.js';
import type { Scanner } from './ram/scanner.js';
import type { StateInlet } from './state-socket.js';

const POLL_MS = 2;
const SIGN_OF_LIFE_MS = 500;
/** From this round on the user hears that it does not converge. */
const TELLING_ROUND = 4;

export interface SourceStreamParts {
  readonly guest: QemuGuest;
  readonly files: readonly RamFile[];
  readonly scanner: Scanner;
  readonly dialogue: HandoverProtocol;
  readonly inlet: StateInlet;
  readonly grammar: MemoryGrammar;
  readonly convergence: Convergence;
  /** Milliseconds for each wait. */
  readonly timeout: number;
  readonly verifyRam: boolean;
  /** The files stand in the order of the destination's backends. */
  readonly matched: boolean;
  /** Comes before the guest is stopped. */
  readonly beforeStop: () => Promise<void>;
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface FinalScan {
  /** Pages that differ from what was sent. */
  readonly differing: number;
  readonly milliseconds: number;
}

export class SourceStream {
  readonly #parts: SourceStreamParts;
  /** performance.now() when the guest's stop was asked for. */
  stoppedAt: number | undefined;
  /** Milliseconds from there to the word that RAM is in place. */
  lastRound: number | undefined;
  /** Under way from the moment at which QEMU had saved the devices. */
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

  async *pieces(): AsyncGenerator<Uint8Array, void> {
    const { files, convergence, dialogue, timeout, verifyRam, matched } = this.#parts;
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
    dialogue.expect('ram-applied');
    yield writeMemoryRecord(MEMORY_RECORD.ramEnd, 0, this.rounds);
    await dialogue.await(['ram-applied'], timeout, 'that RAM is in place');
    this.lastRound = performance.now() - this.stoppedAt!;
    yield* this.#state();
    this.finalScan = this.#scanAgain();
    // Whoever hands over waits for it; until then nobody does.
    this.finalScan.catch(() => undefined);
    dialogue.expect('ready');
    yield writeMemoryRecord(MEMORY_RECORD.end, 0, 0);
  }

  async *#liveRound(): AsyncGenerator<Uint8Array, Forecast> {
    const began = performance.now();
    const times = { scanning: 0, carrying: 0, pages: 0 };
    yield* this.#pages(times);
    this.forecast = this.#parts.convergence.add({ ...times, milliseconds: performance.now() - began });
    return this.forecast;
  }

  /** One pass over RAM. @param times what it took is added here, in milliseconds */
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
        // An idle guest of many GiB is scanned for longer than the destination would believe that we live.
        if (performance.now() - spoke < SIGN_OF_LIFE_MS) continue;
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
      throw new RamferryError('ERR_GUEST_STATE', `the guest does not run any more: ${status}`);
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
    if (this.#warned || convergence.rounds < TELLING_ROUND) return;
    this.#warned = true;
    onWarning?.(
      `after ${convergence.rounds} rounds the guest still writes ${formatRate(dirtyRate)}` +
        (Number.isFinite(throughput) ? `, of which ${formatRate(throughput)} can be sent` : '') +
        `: stopped now, it would stand still for ${formatDuration(downtime)} (limit ${formatDuration(convergence.limit)}); ` +
        `at most ${convergence.maxRounds - convergence.rounds} rounds follow`,
    );
  }
}
