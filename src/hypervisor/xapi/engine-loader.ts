// Decides when the engine of a front loads. Loading takes about as much processor time as the start of the real emu-manager. The
// engine loads while a processor is idle, and at the latest when the first line has passed: then xenguest is about to write.

import fs from 'node:fs';
import { allowedCpus } from '../../os/processor/cpus.js';
import type { Engine } from './emu-engine.js';

/** Interval between looks at the processors. A look takes 20 µs. */
const LOOK_MS = 10;

export class EngineLoader {
  /** Resolves when the engine is loaded; rejects when an option is invalid or a library is missing. */
  readonly loaded: Promise<Engine>;
  #begin!: () => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param isIdle tells whether a processor is idle; replaced in tests */
  constructor(load: () => Promise<Engine>, isIdle: () => boolean = idleCpuLook()) {
    const begun = new Promise<void>((resolve) => (this.#begin = resolve));
    this.loaded = begun.then(load);
    // The failure must not count as unhandled before a later caller awaits it.
    this.loaded.catch(() => undefined);
    this.#timer = setInterval(() => {
      if (isIdle()) this.begin();
    }, LOOK_MS);
  }

  /** Loads the engine now. Safe to call twice. */
  begin(): void {
    this.stop();
    this.#begin();
  }

  /** Ends the looks. The engine then loads only by begin(). */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** @returns a function that is true while no more threads run or wait than this process may use processors */
function idleCpuLook(): () => boolean {
  const cpus = allowedCpus();
  return () => {
    try {
      // 0.20 0.18 0.12 1/80 11206: three averages, running/all threads, the last process number (proc_loadavg(5)).
      const [, running] = / (\d+)\/\d+ /.exec(fs.readFileSync('/proc/loadavg', 'latin1')) ?? [];
      return Number(running) <= cpus;
    } catch {
      return true;
    }
  };
}
