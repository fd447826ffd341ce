// The pipeline as arithmetic: reader, compression threads, link, decompression threads, writer. Takes what was measured of
// each part, predicts what a whole transfer takes. Pure: no clock, no I/O, no guesses; every figure comes from the caller.
//
// The stages work at the same time with little between them (src/transfer/pace/link-pace.ts), so a stretch of memory takes
// as long as its slowest stage: the sum is over stretches, not over stages. On a host the main thread (reading, writing,
// sockets) and the workers share the processors: with one processor their times add up.

import type { MainCost } from './costs.js';

/** What a stretch of guest memory asks of every stage. */
export interface StretchCost {
  /** How many such stretches there are. */
  readonly weight: number;
  readonly guestBytes: number;
  readonly wireBytes: number;
  readonly chunks: number;
  /** Seconds of processor time of compression, and of decompression. */
  readonly encode: number;
  readonly decode: number;
}

/** How much faster than one thread so many threads are: measured points, from one thread up. */
export type Scaling = readonly { readonly threads: number; readonly speedup: number }[];

export interface Host {
  /** Processors that ramferry may use there. */
  readonly cpus: number;
  readonly main: MainCost;
  readonly scaling: Scaling;
  /** How many times as long work takes at the receiver as it took where it was measured; absent = as long. */
  readonly slowness?: number;
}

export interface Route {
  readonly sender: Host;
  readonly receiver: Host;
  /** Bytes of payload per second that the link carries; Infinity for one that never limits. */
  readonly linkRate: number;
  /** Seconds before data flows and after it, whatever the settings. */
  readonly startUp: number;
  /** Both sides run on one host and share its processors; absent = each has its own. */
  readonly together?: Together;
}

export interface Together {
  readonly cpus: number;
  /** Of work of both sides. */
  readonly scaling: Scaling;
  /** Seconds of processor time for a byte of guest memory that whoever takes the restored bytes needs. */
  readonly perGuestByte: number;
}

export interface Threads {
  readonly compress: number;
  readonly decompress: number;
}

export const STAGES = ['compress', 'send', 'link', 'receive', 'decompress'] as const;
export type Stage = (typeof STAGES)[number];

export interface Prediction {
  /** From the start of the command to its end. */
  readonly seconds: number;
  readonly wireBytes: number;
  readonly guestBytes: number;
  /** Seconds of processor time while data flows. */
  readonly senderCpu: number;
  readonly receiverCpu: number;
  /** Guest bytes per second while data flows. */
  readonly guestRate: number;
  /** The stage that the transfer waits for most of the time. */
  readonly bottleneck: Stage;
  /** Rests on more threads than were measured. */
  readonly extrapolated: boolean;
}

/** Chunks under way may be no more than the link drains in this time (seconds; src/transfer/pace/link-pace.ts). */
const PACE_SECONDS = 0.06;
/** The pace lets go when writes wait for less than this share of the time. */
const PACE_SHARE = 0.5;

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

/** Seconds of the main thread. */
function mainSeconds(cost: MainCost, load: StretchCost): number {
  return (
    cost.perWireByte * load.wireBytes + cost.perChunk * load.chunks + cost.perGuestByte * load.guestBytes
  );
}

/** Seconds of each stage of one host, where nothing else limits. */
function hostSeconds(
  host: Host,
  threads: number,
  work: number,
  main: number,
): { work: number; main: number } {
  const useful = speedup(host.scaling, Math.min(threads, host.cpus)).factor;
  const all = speedup(host.scaling, host.cpus).factor;
  // All of it on all processors; the part that is not more than its share is not the bottleneck.
  const shared = (work + main) / all;
  return {
    work: Math.max(work / useful, work >= main ? shared : 0),
    main: Math.max(main, work < main ? shared : 0),
  };
}

/** Seconds that all the work takes where both sides share the processors; 0 where they do not. */
function togetherSeconds({ together }: Route, load: StretchCost, work: number): number {
  if (together === undefined) return 0;
  return (work + together.perGuestByte * load.guestBytes) / speedup(together.scaling, together.cpus).factor;
}

/** Compression while the link limits how many chunks are under way. */
function pacedCompress(route: Route, load: StretchCost, threads: number, link: number, free: number): number {
  if (link <= 0 || load.chunks === 0 || free >= link) return free;
  const underWay = Math.max(1, Math.floor((route.linkRate * PACE_SECONDS * load.chunks) / load.wireBytes));
  if (underWay >= threads) return free;
  const few = load.encode / speedup(route.sender.scaling, Math.min(underWay, route.sender.cpus)).factor;
  return Math.max(free, Math.min(few, link / PACE_SHARE));
}

/**
 * What a transfer takes.
 * @param loads stretches that stand for all of the guest's memory, each with its weight
 */
export function predict(loads: readonly StretchCost[], threads: Threads, route: Route): Prediction {
  const { sender, receiver } = route;
  const waits: Record<Stage, number> = { compress: 0, send: 0, link: 0, receive: 0, decompress: 0 };
  let flowing = 0;
  let wireBytes = 0;
  let guestBytes = 0;
  let senderCpu = 0;
  let receiverCpu = 0;
  let pipe = 0;
  for (const load of loads) {
    const sending = mainSeconds(sender.main, load);
    const receiving = mainSeconds(receiver.main, load) * (receiver.slowness ?? 1);
    const decode = load.decode * (receiver.slowness ?? 1);
    const link = load.wireBytes / route.linkRate;
    const there = hostSeconds(sender, threads.compress, load.encode, sending);
    const back = hostSeconds(receiver, threads.decompress, decode, receiving);
    const stages: Record<Stage, number> = {
      compress: pacedCompress(route, load, threads.compress, link, there.work),
      send: there.main,
      link,
      receive: back.main,
      decompress: back.work,
    };
    let slowest: Stage = 'compress';
    for (const stage of STAGES) if (stages[stage] > stages[slowest]) slowest = stage;
    const busy = togetherSeconds(route, load, load.encode + sending + receiving + decode);
    const seconds = Math.max(stages[slowest], busy) * load.weight;
    flowing += seconds;
    waits[slowest] += seconds;
    wireBytes += load.wireBytes * load.weight;
    guestBytes += load.guestBytes * load.weight;
    senderCpu += (load.encode + sending) * load.weight;
    receiverCpu += (decode + receiving) * load.weight;
    // A chunk goes through all stages one after the other: the first one before the pipe is full, the last one after.
    const all = load.encode + sending + link + receiving + decode;
    if (load.chunks > 0)
      pipe += (Math.max(0, all - Math.max(stages[slowest], busy)) / load.chunks) * load.weight;
  }
  const stretches = loads.reduce((sum, { weight }) => sum + weight, 0);
  const seconds = route.startUp + flowing + (stretches === 0 ? 0 : Math.max(0, pipe / stretches));
  const extrapolated =
    !speedup(sender.scaling, Math.min(threads.compress, sender.cpus)).measured ||
    !speedup(receiver.scaling, Math.min(threads.decompress, receiver.cpus)).measured;
  return {
    seconds,
    wireBytes,
    guestBytes,
    senderCpu,
    receiverCpu,
    guestRate: flowing === 0 ? Infinity : guestBytes / flowing,
    bottleneck: STAGES.reduce((most, stage) => (waits[stage] > waits[most] ? stage : most)),
    extrapolated,
  };
}
