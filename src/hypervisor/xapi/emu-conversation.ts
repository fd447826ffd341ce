// The conversation of a front: its ends (xenopsd's control channel, the real emu-manager, the streams, the log), the limits of
// its waits, and the statuses and lines that report a failure to xenopsd.

import { Buffer } from 'node:buffer';
import { RamferryError } from '../../errors.js';
import type { ByteSink, ByteSource } from '../../io/bytes.js';
import type { EmuRequest } from './emu-arguments.js';
import type { Carrier } from './carrier.js';
import type { EmuExit } from './emu-process.js';

/** emu-manager's exit statuses. */
export const EMU_EXIT = { success: 0, startUp: 1, failed: 2 } as const;

/**
 * How long a front waits, in milliseconds. The limits follow from those of xenopsd and emu-manager, which count real time, so
 * they also count the time for which this process is stopped.
 */
export const LIMIT = {
  /** emu-manager waits 120 s for the answer to `prepare:`; xenopsd needs a part of that. */
  prepareHold: 110_000,
  /**
   * emu-manager may need 60 s and a SIGKILL to end a xenguest that does not react. After this time xenopsd gets the front's
   * failure although emu-manager still runs; the front goes on waiting.
   */
  stop: 75_000,
  /** After an emulator's end: how long emu-manager may take to report the cause. */
  explain: 3_000,
  /** A child of emu-manager may hold the control channel open; lines from before the exit have arrived by then. */
  lastWords: 300,
  /** How long the end of the control channel may take to reach emu-manager before the streams are dropped. */
  hangUp: 1_000,
  /** How long the write of the last line may take. */
  lastLine: 1_000,
} as const;

/** Resolves with the value after so many milliseconds. */
export function sleep<T>(milliseconds: number, value: T): Promise<T> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(value), milliseconds);
  });
}

export interface FrontLog {
  /** The line that stands before all others, also before those of the time before it. */
  first?(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(message: string): void;
  error(error: RamferryError): void;
}

/** The real emu-manager as the conversation needs it. */
export interface RealEnd {
  readonly output: ByteSource;
  readonly input: ByteSink;
  readonly exited: Promise<EmuExit>;
  kill(signal: NodeJS.Signals): void;
}

export interface FrontOptions {
  readonly request: EmuRequest;
  /** xenopsd's control channel. */
  readonly commands: ByteSource;
  readonly answers: ByteSink;
  readonly real: RealEnd;
  readonly memory: Carrier;
  /** Only when both hosts compress the vGPU's stream. */
  readonly vgpu: (Carrier & { emulatorDone?(): void }) | undefined;
  readonly log: FrontLog;
  /** Called after each line that has passed, in either direction. */
  readonly onLine?: () => void;
  /** Called once, when no further line passes: closes the control channel. xenopsd waits for its end, and then for the process. */
  readonly closeControl?: () => void;
}

export const ABORT_LINE = Buffer.from('abort\n');

/** The errors that end a conversation. */
export const FAILURE = {
  aborted: () => new RamferryError('ERR_INTERRUPTED', 'aborted by xenopsd'),
  signal: (signal: NodeJS.Signals) => new RamferryError('ERR_TERMINATED', `ended by ${signal}`),
  hungUp: () =>
    new RamferryError(
      'ERR_LINK_CLOSED',
      'xenopsd has closed the control channel before every byte was delivered',
    ),
  realFailed: () => new RamferryError('ERR_LINK_COMMAND', 'emu-manager has failed'),
  realEnded: () => new RamferryError('ERR_LINK_CLOSED', 'emu-manager has ended'),
  realKilled: (signal: NodeJS.Signals) =>
    new RamferryError('ERR_LINK_COMMAND', `emu-manager was ended by ${signal}`),
  surplus: (bytes: number) =>
    new RamferryError('ERR_INPUT_UNKNOWN', `xenguest has written ${bytes} bytes behind its END record`, {
      hint: 'this version of ramferry does not know this behaviour of xenguest: migrate without compression',
    }),
  overdue: (linkBytes: number) =>
    new RamferryError(
      'ERR_LINK_TIMEOUT',
      `the link did not take the rest of the memory stream within ${LIMIT.prepareHold / 1000} s ` +
        `(${linkBytes} bytes so far); emu-manager no longer waits for the vGPU`,
    ),
} as const;

/**
 * The failure that the real emu-manager's own end leaves for the front to report; undefined where it has reported its outcome.
 * @param lost it finished before it saw the end of the channel, and its results were held and dropped
 */
export function unreportedFailure({ status, signal }: EmuExit, lost: boolean): RamferryError | undefined {
  if (signal !== null) return FAILURE.realKilled(signal);
  return lost && status === EMU_EXIT.success ? FAILURE.hungUp() : undefined;
}

/** The error as one line of printable ASCII. */
export function errorLine(error: RamferryError): Buffer {
  const text = `ramferry: ${error.code}: ${error.describe()}`.replace(/[^\x20-\x7e]+/g, ' ');
  return Buffer.from(`error:${text}\n`, 'latin1');
}

/**
 * True where the real emu-manager has failed or soon fails by itself: then xenopsd gets its report.
 * @param failed resolves when it has sent `error:`
 */
export function explains(real: RealEnd, failed: Promise<void>): Promise<boolean> {
  const ended = real.exited.then(({ status }) => status !== 0);
  return Promise.race([failed.then(() => true), ended, sleep(LIMIT.explain, false)]);
}

/**
 * Ends emu-manager's control channel. Resolves when the end is there, so that emu-manager sees it before the streams are dropped.
 * Otherwise it might report the end of xenguest, which only follows from the drop. Never rejects.
 */
export function endChannel({ input }: RealEnd): Promise<void> {
  const told = input.finish().catch(() => undefined);
  return Promise.race([told, sleep(LIMIT.hangUp, undefined)]);
}
