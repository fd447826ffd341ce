// A carrier moves one stream between xenopsd's descriptor and one of the front's; it does not see control lines.

import type { RamferryError } from '../../errors.js';
import type { Statistics } from '../../transfer/statistics/statistics.js';

/** One stream and its transfer. */
export interface Carrier {
  readonly statistics: Statistics;
  /** Begins the transfer; no byte moves before. Safe to call twice. */
  start(): void;
  readonly started: boolean;
  /** Resolves when the kernel has taken every byte up to the stream's end; rejects with the transfer's error. */
  readonly delivered: Promise<void>;
  /** True when the emulator has closed its descriptor: the emulator or emu-manager will report why. */
  readonly emulatorGone: boolean;
  /** Bytes that the emulator has written behind the end of its stream; 0 in a restore. */
  surplus(): number;
  /** Stops at once, drops queued bytes, and closes xenopsd's descriptor and the front's end of the emulator's. */
  drop(reason: RamferryError): void;
}

/** The common interface of Sender and the receivers. */
export interface Work {
  run(): Promise<unknown>;
  abort(reason: RamferryError): void;
}
