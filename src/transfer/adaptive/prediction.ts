// How fast a transfer would go with a candidate: as fast as the slowest of workers, main thread, processors and link.
// Pure arithmetic on what was measured; knows neither time nor choices.

import {
  chunksInFlight,
  hostTime,
  IN_FLIGHT_DRAIN_SECONDS,
  type MainCost,
  mainTime,
} from '../../model/pipeline.js';

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

export type Bottleneck = 'link' | 'cpu';

export interface Prediction {
  /** Bytes of guest memory per second. */
  readonly rate: number;
  readonly bottleneck: Bottleneck;
  /** Nanoseconds of processor time for a byte of guest memory. */
  readonly cpu: number;
}

/** What every candidate of one choice meets. */
export interface Conditions {
  readonly machine: Machine;
  /** Nanoseconds. */
  readonly main: MainCost;
  /** Bytes per second; Infinity where the link is not known. */
  readonly link: number;
}

/**
 * Both rates together. Where link and processors are nearly equally fast, chunks that differ make both wait: the result is
 * below either. It is the mean of both to the power of -8, without Math.pow: this runs some thousand times a second.
 */
function smoothMinimum(one: number, other: number): number {
  const less = Math.min(one, other);
  const squared = (less / Math.max(one, other)) ** 2;
  const fourth = squared * squared;
  return less / Math.sqrt(Math.sqrt(Math.sqrt(1 + fourth * fourth)));
}

/** @param correction speed that the processors really had, over the expected speed */
export function predict({ machine, main, link }: Conditions, cost: Cost, correction: number): Prediction {
  const { chunkSize, cpus } = machine;
  const mainCost = mainTime(main, { wireBytes: cost.wire, chunks: 1 / chunkSize, guestBytes: 1 });
  // On a slow link few chunks are worked on at once, and more threads do not help.
  const inFlight = chunksInFlight(link * IN_FLIGHT_DRAIN_SECONDS, cost.wire * chunkSize);
  const threads = Math.min(machine.threads, inFlight);
  const own = (1 / hostTime(cost.worker, mainCost, { threads, cpus })) * 1e9 * correction;
  const carried = link / cost.wire;
  return {
    rate: smoothMinimum(own, carried),
    bottleneck: carried < own ? 'link' : 'cpu',
    cpu: cost.worker + mainCost,
  };
}

/** Some of the guest's memory, and what a byte of it costs. */
export interface Share {
  readonly bytes: number;
  readonly cost: Cost;
}

/**
 * The same for several kinds of memory one after the other: each takes its own time.
 * @param shares not empty
 */
export function predictAll(conditions: Conditions, shares: readonly Share[], correction: number): Prediction {
  let all = 0;
  let time = 0;
  let byLink = 0;
  let work = 0;
  for (const { bytes, cost } of shares) {
    const { rate, bottleneck, cpu } = predict(conditions, cost, correction);
    all += bytes;
    time += bytes / rate;
    if (bottleneck === 'link') byLink += bytes / rate;
    work += cpu * bytes;
  }
  return { rate: all / time, bottleneck: byLink > time / 2 ? 'link' : 'cpu', cpu: work / all };
}
