// A carrier that exists before the engine does: its sender or receiver opens when the engine is loaded and the carrier is started,
// whichever is later.

import { type RamferryError, toRamferryError } from '../../errors.js';
import { Statistics } from '../../transfer/statistics/statistics.js';
import type { Carrier, Work } from './carrier.js';
import type { Engine } from './emu-engine.js';

/** A carrier that opens its sender or receiver when it has started and the engine is there. */
export abstract class WorkCarrier implements Carrier {
  readonly statistics = new Statistics();
  readonly delivered: Promise<void>;
  emulatorGone = false;
  readonly #engine: Promise<Engine>;
  #resolve!: () => void;
  #reject!: (reason: RamferryError) => void;
  #started = false;
  #work: Work | undefined;
  #dropped: RamferryError | undefined;

  constructor(engine: Promise<Engine>) {
    this.#engine = engine;
    this.delivered = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A rejection must not count as unhandled before a later caller awaits it.
    this.delivered.catch(() => undefined);
  }

  get started(): boolean {
    return this.#started;
  }

  start(): void {
    if (this.#started || this.#dropped !== undefined) return;
    this.#started = true;
    void this.#begin();
  }

  async #begin(): Promise<void> {
    try {
      const engine = await this.#engine;
      if (this.#dropped !== undefined) return;
      this.#work = this.open(engine);
      this.statistics.setupDone();
      await this.#work.run();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  drop(reason: RamferryError): void {
    this.#dropped = reason;
    this.#work?.abort(reason);
    this.giveBack();
    this.#reject(reason);
  }

  surplus(): number {
    return 0;
  }

  /** Opens xenopsd's descriptor and makes the sender or receiver. May throw. */
  protected abstract open(engine: Engine): Work;
  /** Closes the front's end of the emulator's descriptor, and detaches xenopsd's. Safe to call twice. */
  protected abstract giveBack(): void;

  /** Reports that all bytes are delivered; threads may still be ending. */
  protected arrived(): void {
    this.#resolve();
  }

  protected fail(thrown: unknown): void {
    this.#reject(toRamferryError(thrown));
  }
}
