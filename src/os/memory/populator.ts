// `Populator`: has the system find memory for a buffer that is filled from its start on, a large page ahead of the filling. The first touch
// of 2 MiB, small page by small page, is 512 faults. A large page is one, and costs a tenth, except where the system must first find its
// memory: a hypervisor that takes back free memory, or a kernel that moves pages. So each one is timed, and small pages follow a slow one.

import { MIB } from '../../units.js';
import { threadClock } from '../processor/cpu-time.js';
import { isLibcLoaded, type Libc, libc } from '../libc.js';

const LARGE_PAGE = 2 * MIB;
/** Microseconds of this thread from which on a large page costs more than its small ones. */
const SLOW_MICROS = 1000;
/** Loading the system calls costs as much as this saves for so many bytes. */
const WITHOUT_CALLS = 4 * MIB;

export class Populator {
  readonly #memory: ArrayBufferLike;
  #end = 0;
  /** Blocks that get small pages before a large one is tried again. */
  #small = 0;
  /** How many they are after the next slow one. */
  #afterSlow = 1;
  #clock: (() => number) | undefined;

  /** @param memory untouched so far */
  constructor(memory: ArrayBufferLike) {
    this.#memory = memory;
  }

  /** Call when the buffer is filled as far as the last call returned. @returns bytes from its start that need no further call */
  next(): number {
    const { byteLength } = this.#memory;
    const from = this.#end;
    if (from === 0 && !isLibcLoaded()) return (this.#end = Math.min(WITHOUT_CALLS, byteLength));
    const calls = libc();
    if (calls === undefined) return (this.#end = byteLength);
    const to = from + LARGE_PAGE - calls.pastBoundary(this.#memory, from, LARGE_PAGE);
    this.#end = Math.min(to, byteLength);
    this.#find(calls, from, this.#end - from);
    return this.#end;
  }

  #find(calls: Libc, from: number, length: number): void {
    if (this.#small > 0) {
      this.#small--;
      calls.populate(this.#memory, from, length, false);
      return;
    }
    this.#clock ??= threadClock();
    const began = this.#clock();
    calls.populate(this.#memory, from, length, true);
    const isSlow = this.#clock() - began >= SLOW_MICROS;
    this.#small = isSlow ? this.#afterSlow : 0;
    this.#afterSlow = isSlow ? 2 * this.#afterSlow : 1;
  }
}
