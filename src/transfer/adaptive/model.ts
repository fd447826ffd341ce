// How fast a transfer would go with a candidate: the slowest of workers, main thread, processors and link.
// Pure arithmetic on what was measured; knows nothing of time or of choosing.

/** What one byte of the guest's stream costs now. */
export interface Cost {
  /** Nanoseconds of a worker. */
  readonly worker: number;
  /** Bytes on the link. */
  readonly wire: number;
}

/** What does the work. */
export interface Machine {
  readonly threads: number;
  /** Processors that may be used, all threads together; may be a fraction. */
  readonly cpus: number;
  readonly chunkSize: number;
  /** Milliseconds that a chunk may take. */
  readonly longestChunk: number;
}

/** Nanoseconds of the main thread. */
export interface MainCost {
  readonly perChunk: number;
  /** For a byte on the link. */
  readonly perByte: number;
}

export type Bottleneck = 'link' | 'cpu';

export interface Prediction {
  /** Bytes of guest memory per second. */
  readonly rate: number;
  readonly bottleneck: Bottleneck;
  /** Nanoseconds of processor time for a byte of guest memory. */
  readonly cpu: number;
}

/** What is under way must drain in this time (LinkPace): on a slow link few chunks are worked on at once. */
const DRAIN_S = 0.06;
/**
 * Near the place where link and processors are equally fast, chunks that differ make both wait: less than either.
 * The mean of both to the power of -8, without Math.pow: this is worked out some thousand times a second.
 */
function together(one: number, other: number): number {
  const less = Math.min(one, other);
  const squared = (less / Math.max(one, other)) ** 2;
  const fourth = squared * squared;
  return less / Math.sqrt(Math.sqrt(Math.sqrt(1 + fourth * fourth)));
}

/**
 * @param link bytes per second; Infinity when it is not known
 * @param correction what the processors really did, over what they should have done
 */
export function predict(
  machine: Machine,
  cost: Cost,
  main: MainCost,
  link: number,
  correction: number,
): Prediction {
  const mainCost = main.perChunk / machine.chunkSize + main.perByte * cost.wire;
  const underWay = Math.max(1, Math.floor((link * DRAIN_S) / (cost.wire * machine.chunkSize)));
  const threads = Math.min(machine.threads, underWay);
  const all = cost.worker + mainCost;
  const own = Math.min(threads / cost.worker, 1 / mainCost, machine.cpus / all) * 1e9 * correction;
  const carried = link / cost.wire;
  return { rate: together(own, carried), bottleneck: carried < own ? 'link' : 'cpu', cpu: all };
}

/** Some of the guest's memory, and what a byte of it costs. */
export interface Share {
  readonly bytes: number;
  readonly cost: Cost;
}

/**
 * The same for memory of several kinds, one after the other: each takes its own time.
 * @param shares not empty
 */
export function predictAll(
  machine: Machine,
  shares: readonly Share[],
  main: MainCost,
  link: number,
  correction: number,
): Prediction {
  let all = 0;
  let time = 0;
  let byLink = 0;
  let work = 0;
  for (const { bytes, cost } of shares) {
    const { rate, bottleneck, cpu } = predict(machine, cost, main, link, correction);
    all += bytes;
    time += bytes / rate;
    if (bottleneck === 'link') byLink += bytes / rate;
    work += cpu * bytes;
  }
  return { rate: all / time, bottleneck: byLink > time / 2 ? 'link' : 'cpu', cpu: work / all };
}

const FIRST_MAIN: MainCost = { perChunk: 60_000, perByte: 0.3 };

/** What the main thread costs, learned from what it used. */
export class MainThread {
  cost = FIRST_MAIN;

  /** @param micros that it used for so many chunks and bytes on the link */
  learn(micros: number, count: number, wire: number): void {
    const { perChunk, perByte } = this.cost;
    const chunks = perChunk * count;
    const bytes = perByte * wire;
    const expected = chunks + bytes;
    if (expected === 0) return;
    const surprise = Math.max(-0.5, Math.min(1, (micros * 1e3) / expected - 1)) * 0.2;
    this.cost = {
      perChunk: perChunk * (1 + (surprise * chunks) / expected),
      perByte: perByte * (1 + (surprise * bytes) / expected),
    };
  }
}
