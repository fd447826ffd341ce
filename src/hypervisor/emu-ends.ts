// What a front stands between, as its conversation sees it: xenopsd's channel, the real emu-manager's end, the log; and the
// words and statuses in which emu-manager's callers are told how it went.
import { Buffer } from 'node:buffer';
import type { RamferryError } from '../errors.js';
import type { ByteSink, ByteSource } from '../io/bytes.js';
import type { EmuRequest } from './emu-arguments.js';
import type { Carrier } from './emu-engine.js';
import type { EmuExit } from './emu-process.js';

/** emu-manager's own statuses. */
export const EMU_EXIT = { success: 0, startUp: 1, failed: 2 } as const;

export interface FrontLog {
  info(fields: object, message: string): void;
  warn(message: string): void;
  error(error: RamferryError): void;
}

/** The real one, as far as the conversation goes. */
export interface RealEnd {
  readonly output: ByteSource;
  readonly input: ByteSink;
  readonly exited: Promise<EmuExit>;
  kill(): void;
}

export interface FrontOptions {
  readonly request: EmuRequest;
  /** xenopsd's control channel. */
  readonly commands: ByteSource;
  readonly answers: ByteSink;
  readonly real: RealEnd;
  readonly memory: Carrier;
  /** Only when both hosts were told to compress the vGPU's stream. */
  readonly vgpu: (Carrier & { emulatorDone?(): void }) | undefined;
  readonly log: FrontLog;
}

/** A line on its way to xenopsd. */
export interface Answer {
  readonly line: Buffer;
  /** `result:0 0` → result. */
  readonly word: string;
  readonly about: string;
}

/** One line, whatever the message holds. */
export function errorLine(error: RamferryError): Buffer {
  const text = `ramferry: ${error.code}: ${error.describe()}`.replace(/[^\x20-\x7e]+/g, ' ');
  return Buffer.from(`error:${text}\n`, 'latin1');
}
