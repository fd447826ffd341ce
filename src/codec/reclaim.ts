// Frees what bindings with `returnsBuffers` leave behind. Their buffers lie outside V8's heap. Finalizers free them, which
// needs a collection and a turn of the event loop. Left alone, V8 collects after about 64 MiB and a busy thread gathers up to
// 200 MiB. A collection of the youngest objects every 8 MiB of chunks keeps a thread near 10 MiB at no measurable cost
// (600 lz4 calls on 1 MiB chunks: 200 MiB and 604 ms without, 13 MiB and 567 ms with).
//
// On Node 24 and 26 that is not enough for node:zlib: the handle of each synchronous call keeps its stream's output buffer
// until a full collection (96 calls on 1 MiB chunks: 57 MiB and still growing, 22 MiB on Node 22). So external memory is
// measured, and a full collection runs when it has grown by 16 MiB.
//
// V8 lets a program collect only with its flag `--expose-gc`. It belongs to the whole process, so the command sets it
// (src/cli/process/v8-flags.ts), and a program that embeds ramferry may. Without it the garbage waits for V8 as described above.

import v8 from 'node:v8';
import vm from 'node:vm';
import { MIB } from '../units.js';

/** Bytes of chunks after which a thread collects its youngest objects. */
const RECLAIM_EVERY_BYTES = 8 * MIB;
/** Growth of external memory, in bytes, after which a thread collects everything. */
const FULL_AFTER_BYTES = 16 * MIB;

type Collect = (options: { type: 'minor' | 'major' }) => void;

/** A new context has `gc` when the flag is set, also since a moment ago. */
function collector(): Collect | undefined {
  const gc: unknown = vm.runInNewContext('globalThis.gc');
  return typeof gc === 'function' ? (gc as Collect) : undefined;
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

export class Reclaimer {
  #collect: Collect | undefined;
  #bytes = 0;
  /** Until the next look for a collector; it doubles, because a look takes a new context (some 0.5 ms). */
  #looks = 1;
  #untilLook = 1;
  /** External memory of the thread when least of it was garbage. */
  #floor = Infinity;

  /**
   * Call after each use of such a binding, with the length of the chunk.
   * @returns a promise to wait for when it is time, otherwise nothing
   */
  used(bytes: number): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < RECLAIM_EVERY_BYTES) return undefined;
    this.#bytes = 0;
    return this.#reclaim();
  }

  #look(): Collect | undefined {
    this.#untilLook -= 1;
    if (this.#untilLook > 0) return undefined;
    this.#untilLook = this.#looks *= 2;
    return collector();
  }

  async #reclaim(): Promise<void> {
    const collect = (this.#collect ??= this.#look());
    collect?.({ type: 'minor' });
    // What V8 has collected by itself is freed in a turn of the loop, too.
    await turnOfTheLoop();
    if (collect === undefined) return;
    const external = v8.getHeapStatistics().external_memory;
    this.#floor = Math.min(this.#floor, external);
    if (external < this.#floor + FULL_AFTER_BYTES) return;
    collect({ type: 'major' });
    await turnOfTheLoop();
    this.#floor = v8.getHeapStatistics().external_memory;
  }
}
