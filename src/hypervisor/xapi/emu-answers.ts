// emu-manager's lines to xenopsd: how one is read, which ones must wait for our bytes, and which results are still missing.
// Source: docs/XAPI.md, "The conversation". Does no I/O and waits for nothing.

import type { Buffer } from 'node:buffer';
import type { EmuRequest } from './emu-arguments.js';
import { textOf } from './lines.js';

/** A line on its way to xenopsd. */
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

/** What the lines of one save or restore mean for its front. */
export class Answers {
  readonly #saving: boolean;
  readonly #sharesStream: boolean;
  /** Emulators whose result xenopsd has still to hear; in a save there is one for all. */
  readonly #missing: Set<string>;
  #lastPrepared = '';
  #ended = false;

  constructor({ others, fd, saving }: EmuRequest) {
    this.#saving = saving;
    this.#sharesStream = others.get('vgpu') === fd;
    this.#missing = new Set(saving || !others.has('vgpu') ? ['xenguest'] : ['xenguest', 'vgpu']);
  }

  /** Behind such a line xenopsd writes to its stream, or reads from it. */
  isHeld({ word, about }: Answer): boolean {
    return word === 'result' || (word === 'prepare' && about === 'vgpu' && this.#sharesStream);
  }

  /** The line is about to pass. */
  passes({ word, about }: Answer): void {
    if (word === 'prepare') this.#lastPrepared = about;
    if (word === 'result') this.#missing.delete(this.#saving ? 'xenguest' : about.split(' ')[0]!);
    if (word === 'result' || word === 'error') this.#ended = true;
  }

  /** The emulator that the last `prepare:` was about. */
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
