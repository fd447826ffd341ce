// The pipeline of both hosts as arithmetic: reader, compression threads, link, decompression threads, writer. Takes what was
// measured of each part, predicts what a whole transfer takes. Pure: no clock, no I/O, no guesses; every figure is given.
//
// The stages work at the same time with little between them (src/transfer/pace/link-pace.ts). So a stretch of memory takes as long
// as its slowest stage, and the sum is over stretches, not over stages. On a host the main thread (reading, writing, sockets)
// and the workers share the processors: with one processor their times add up (src/model/pipeline.ts).

import {
  chunksInFlight,
  IN_FLIGHT_DRAIN_SECONDS,
  type MainCost,
  mainTime,
  stageTimes,
} from '../../model/pipeline.js';
import { type Scaling, speedup } from './scaling.js';

/** What a stretch of guest memory asks of every stage. */
export interface StretchCost {
  /** How many such stretches there are. */
  readonly weight: number;
  /** Bytes of guest memory. */
  readonly guestBytes: number;
  /** Bytes on the link. */
  readonly wireBytes: number;
  /** Chunks. */
  readonly chunks: number;
  /** Seconds of processor time of compression. */
  readonly encode: number;
  /** Seconds of processor time of decompression. */
  readonly decode: number;
}

/** One host, as the model has it. */
export interface Host {
  /** Processors that ramferry may use there. */
  readonly cpus: number;
  /** Seconds of processor time. */
  readonly main: MainCost;
  /** How much faster several threads are than one. */
  readonly scaling: Scaling;
  /** How many times as long work takes at the receiver as it took where it was measured; absent = as long. */
  readonly slowness?: number;
}

/** Both hosts and the link. */
export interface Route {
  /** The source's host. */
  readonly sender: Host;
  /** The destination's host. */
  readonly receiver: Host;
  /** Bytes of payload per second that the link carries; Infinity for a link that never limits. */
  readonly linkRate: number;
  /** Seconds before data flows and after it, whatever the settings. */
  readonly startUp: number;
  /** Both sides run on one host and share its processors; absent = each has its own. */
  readonly together?: Together;
}

/** One host for both sides. */
export interface Together {
  /** CPUs of both sides together. */
  readonly cpus: number;
  /** Of work of both sides. */
  readonly scaling: Scaling;
  /** Seconds of processor time that the reader of the restored bytes needs for a byte of guest memory. */
  readonly perGuestByte: number;
}

/** Threads at both sides. */
export interface Threads {
  /** At the sender. */
  readonly compress: number;
  /** At the receiver. */
  readonly decompress: number;
}

export const STAGES = ['compress', 'send', 'link', 'receive', 'decompress'] as const;
/** A stage of the pipeline. */
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

/** Below this share of waiting for writes, the sender no longer limits the chunks in flight (src/transfer/pace/link-pace.ts). */
const PACE_SHARE = 0.5;

/** Seconds of each stage of one host, where nothing else limits. */
function hostSeconds(
  host: Host,
  threads: number,
  work: number,
  main: number,
): { work: number; main: number } {
  return stageTimes(work, main, {
    threads: speedup(host.scaling, Math.min(threads, host.cpus)).factor,
    cpus: speedup(host.scaling, host.cpus).factor,
  });
}

/** Seconds that all the work takes where both sides share the processors; 0 where they do not. */
function togetherSeconds({ together }: Route, stretch: StretchCost, work: number): number {
  if (together === undefined) return 0;
  return (
    (work + together.perGuestByte * stretch.guestBytes) / speedup(together.scaling, together.cpus).factor
  );
}

/** Seconds of compression while the link limits how many chunks are in flight. */
function pacedCompress(
  route: Route,
  stretch: StretchCost,
  threads: number,
  link: number,
  free: number,
): number {
  if (link <= 0 || stretch.chunks === 0 || free >= link) return free;
  const drained = route.linkRate * IN_FLIGHT_DRAIN_SECONDS;
  const inFlight = chunksInFlight(drained, stretch.wireBytes, stretch.chunks);
  if (inFlight >= threads) return free;
  const few = stretch.encode / speedup(route.sender.scaling, Math.min(inFlight, route.sender.cpus)).factor;
  return Math.max(free, Math.min(few, link / PACE_SHARE));
}

/** What one stretch takes, all in seconds. */
interface StretchTime {
  readonly seconds: number;
  readonly slowest: Stage;
  readonly senderCpu: number;
  readonly receiverCpu: number;
  /** A chunk's way through all stages but the slowest: once before the pipe is full, once after. */
  readonly pipe: number;
}

function stretchTime(stretch: StretchCost, threads: Threads, route: Route): StretchTime {
  const { sender, receiver } = route;
  const slowness = receiver.slowness ?? 1;
  const sending = mainTime(sender.main, stretch);
  const receiving = mainTime(receiver.main, stretch) * slowness;
  const decode = stretch.decode * slowness;
  const link = stretch.wireBytes / route.linkRate;
  const there = hostSeconds(sender, threads.compress, stretch.encode, sending);
  const back = hostSeconds(receiver, threads.decompress, decode, receiving);
  const stages: Record<Stage, number> = {
    compress: pacedCompress(route, stretch, threads.compress, link, there.work),
    send: there.main,
    link,
    receive: back.main,
    decompress: back.work,
  };
  let slowest: Stage = 'compress';
  for (const stage of STAGES) if (stages[stage] > stages[slowest]) slowest = stage;
  const work = stretch.encode + sending + receiving + decode;
  const seconds = Math.max(stages[slowest], togetherSeconds(route, stretch, work));
  const all = stretch.encode + sending + link + receiving + decode;
  return {
    ...{ seconds, slowest },
    senderCpu: stretch.encode + sending,
    receiverCpu: decode + receiving,
    pipe: stretch.chunks > 0 ? Math.max(0, all - seconds) / stretch.chunks : 0,
  };
}

/**
 * What a transfer takes.
 * @param stretches stand for all of the guest's memory, each with its weight
 */
export function predict(stretches: readonly StretchCost[], threads: Threads, route: Route): Prediction {
  const waits: Record<Stage, number> = { compress: 0, send: 0, link: 0, receive: 0, decompress: 0 };
  const sums = { flowing: 0, wireBytes: 0, guestBytes: 0, senderCpu: 0, receiverCpu: 0, pipe: 0, count: 0 };
  for (const stretch of stretches) {
    const { weight } = stretch;
    const { seconds, slowest, senderCpu, receiverCpu, pipe } = stretchTime(stretch, threads, route);
    sums.flowing += seconds * weight;
    waits[slowest] += seconds * weight;
    sums.wireBytes += stretch.wireBytes * weight;
    sums.guestBytes += stretch.guestBytes * weight;
    sums.senderCpu += senderCpu * weight;
    sums.receiverCpu += receiverCpu * weight;
    sums.pipe += pipe * weight;
    sums.count += weight;
  }
  const { flowing, wireBytes, guestBytes, senderCpu, receiverCpu, pipe, count } = sums;
  return {
    seconds: route.startUp + flowing + (count === 0 ? 0 : Math.max(0, pipe / count)),
    ...{ wireBytes, guestBytes, senderCpu, receiverCpu },
    guestRate: flowing === 0 ? Infinity : guestBytes / flowing,
    bottleneck: STAGES.reduce((most, stage) => (waits[stage] > waits[most] ? stage : most)),
    extrapolated: isExtrapolated(route, threads),
  };
}

function isExtrapolated({ sender, receiver }: Route, threads: Threads): boolean {
  return (
    !speedup(sender.scaling, Math.min(threads.compress, sender.cpus)).measured ||
    !speedup(receiver.scaling, Math.min(threads.decompress, receiver.cpus)).measured
  );
}
