// How much faster several threads are than one, from measured points. Pure.

/** Measured points, from one thread up. */
export type Scaling = readonly ScalingPoint[];

/** What was measured with a number of threads. */
export interface ScalingPoint {
  /** Threads. */
  readonly threads: number;
  /** How much faster than one thread. */
  readonly speedup: number;
}

/** How much faster than one thread, and whether that was measured. */
export function speedup(scaling: Scaling, threads: number): { factor: number; measured: boolean } {
  const last = scaling.at(-1) ?? { threads: 1, speedup: 1 };
  if (threads > last.threads) {
    // Amdahl's law through the last measured point.
    const serial = last.threads === 1 ? 0 : Math.max(0, last.threads / last.speedup - 1) / (last.threads - 1);
    return { factor: Math.max(last.speedup, threads / (1 + serial * (threads - 1))), measured: false };
  }
  let before = { threads: 1, speedup: 1 };
  for (const point of scaling) {
    if (point.threads >= threads) {
      const span = point.threads - before.threads;
      const along = span === 0 ? 1 : (threads - before.threads) / span;
      return { factor: before.speedup + along * (point.speedup - before.speedup), measured: true };
    }
    before = point;
  }
  return { factor: before.speedup, measured: true };
}
