// The arithmetic of the pipeline that adaptive mode and `tune` share: what the main thread costs, how long one host needs for
// work on its threads and processors, and how many chunks may be in flight. Pure; units of time are the caller's.

/**
 * What is in flight must drain within this time: all of it counts as the guest's downtime (src/transfer/pace/link-pace.ts). The
 * socket's own buffer takes the rest of 100 ms.
 */
export const IN_FLIGHT_DRAIN_MS = 60;
export const IN_FLIGHT_DRAIN_SECONDS = IN_FLIGHT_DRAIN_MS / 1e3;

/** Time of the main thread. */
export interface MainCost {
  /** Seconds for each byte on the link. */
  readonly perWireByte: number;
  /** Seconds for each chunk. */
  readonly perChunk: number;
  /** Seconds for each byte of guest memory. */
  readonly perGuestByte: number;
}

/** What the main thread handles. */
export interface Traffic {
  readonly wireBytes: number;
  readonly chunks: number;
  readonly guestBytes: number;
}

export function mainTime(cost: MainCost, { wireBytes, chunks, guestBytes }: Traffic): number {
  return cost.perWireByte * wireBytes + cost.perChunk * chunks + cost.perGuestByte * guestBytes;
}

/** How much faster than one thread a host works. */
export interface Speed {
  /** The workers alone. */
  readonly threads: number;
  /** All threads together, on all processors. */
  readonly cpus: number;
}

/**
 * How long the workers and the main thread of one host take, where nothing else limits. Both share the processors; the larger of
 * the two waits for them.
 * @param work processor time of all workers
 * @param main processor time of the main thread
 */
export function stageTimes(work: number, main: number, speed: Speed): { work: number; main: number } {
  const shared = (work + main) / speed.cpus;
  return {
    work: Math.max(work / speed.threads, work >= main ? shared : 0),
    main: Math.max(main, work < main ? shared : 0),
  };
}

/** How long one host takes: the longer of its two stages. */
export function hostTime(work: number, main: number, speed: Speed): number {
  const stages = stageTimes(work, main, speed);
  return Math.max(stages.work, stages.main);
}

/**
 * How many chunks may be in flight, at least one.
 * @param drained bytes that the link drains in the time that it may take
 * @param bytes of so many chunks on the link
 */
export function chunksInFlight(drained: number, bytes: number, chunks = 1): number {
  return Math.max(1, Math.floor((drained * chunks) / bytes));
}
