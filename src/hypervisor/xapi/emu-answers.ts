// emu-manager's lines to xenopsd: reads them, and decides which must wait for the front's bytes and which results are missing.
// Source: docs/XAPI.md, "The conversation". No I/O, no waiting.

import type { Buffer } from 'node:buffer';
import type { EmuRequest } from './emu-arguments.js';
import { textOf } from './lines.js';

/** A line for xenopsd. */
export interface Answer {
  readonly line: Buffer;
  /** `result:0 0` → result. */
  readonly word: string;
  readonly about: string;
}

export function readAnswer(line: Buffer): Answer {
  const [, word = '', about = ''] = /^([^:]*):?(.*)$/.exec(textOf(line)) ?? [];
  return { line, word, about };
}

/** The state of one save or restore, by the lines that have passed. */
export class Answers {
  readonly #saving: boolean;
  readonly #sharesStream: boolean;
  /** Emulators whose result has not passed; a save has one result for all. */
  readonly #missing: Set<string>;
  #lastPrepared = '';
  #ended = false;

  constructor({ others, fd, saving }: EmuRequest) {
    this.#saving = saving;
    this.#sharesStream = others.get('vgpu') === fd;
    this.#missing = new Set(saving || !others.has('vgpu') ? ['xenguest'] : ['xenguest', 'vgpu']);
  }

  /** True for a line after which xenopsd writes to its stream or reads from it. */
  isHeld({ word, about }: Answer): boolean {
    return word === 'result' || (word === 'prepare' && about === 'vgpu' && this.#sharesStream);
  }

  /** Notes a line that is about to pass. */
  passes({ word, about }: Answer): void {
    if (word === 'prepare') this.#lastPrepared = about;
    if (word === 'result') this.#missing.delete(this.#saving ? 'xenguest' : about.split(' ')[0]!);
    if (word === 'result' || word === 'error') this.#ended = true;
  }

  /** The emulator of the last `prepare:`. */
  get lastPrepared(): string {
    return this.#lastPrepared;
  }

  get resultsMissing(): boolean {
    return this.#missing.size > 0;
  }

  /** A `result:` or an `error:` has passed. */
  get ended(): boolean {
    return this.#ended;
  }
}
