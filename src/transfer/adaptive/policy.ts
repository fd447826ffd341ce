// Every tuning constant of adaptive mode, by the part that uses it: unit in the name, what it is for, and where it comes from.
// "Tuned" means: chosen by `npm run bench -- adaptive` over real links and by the simulation in lab/adaptive. What each
// one does when it is halved or doubled: `npm run bench -- adaptive-sensitivity`, table in docs/ADAPTIVE.md.

import { ZSTD1_NS_PER_BYTE, ZSTD1_SIZE } from '../../model/levels.js';
import { LIMITS } from './limits.js';
import { KIB } from '../../units.js';

/** The values that every transfer uses. */
export const POLICY = {
  /** How long an interval lasts (Controller.isDue). */
  interval: {
    /** Bounds of an interval. An evaluation takes up to a millisecond of the main thread (measured). */
    shortestMs: 25,
    longestMs: 100,
    /** Between the bounds, an interval lasts the time since the last change of the link over this. Tuned. */
    settledDivisor: 10,
  },

  /** What one interval says about link, processors and receiver (Controller.evaluate). */
  evidence: {
    /** Threads start and V8 compiles on both sides: how busy processors are before this says nothing. Tuned. */
    warmUpMs: 100,
    /** An interval with more waiting than this measures the link; one with less than ownShare measures the processors. Tuned. */
    linkShare: 0.5,
    ownShare: 0.15,
    /** Workers and processors that do less than this while the link does not limit wait for the input. Tuned. */
    busyWorkersShare: 0.7,
    busyCpusShare: 0.8,
    /** A receiver that waits for more than this share of the time is not the bottleneck. Tuned. */
    receiverWaitShare: 0.25,
    /** Share of an interval's guest bytes that one candidate must have coded before the interval corrects it. Tuned. */
    currentShare: 0.9,
    /** Chunks that an interval must hold before it corrects a candidate. Tuned. */
    leastChunks: 2,
    /**
     * Extra cost of work on processors that rest between chunks, without a codec. 1.3 to 1.4 times the work was measured where
     * they had 40 and 15 % to do (a busy guest over 3 and 1 Gbit/s), 1.4 to 1.5 times where it was 65 % (an idle guest).
     */
    restingPenalty: 0.6,
    /** A candidate this close to the best that costs less processor time is preferred. Tuned. */
    equalGain: 0.01,
    /** Link rate or costs that differ by this factor from the last switch count as a change. Tuned. */
    changeFactor: 1.25,
  },

  /** How far the processor model is corrected by what happened (Corrections). */
  corrections: {
    /** Share of one interval's correction that is taken up. Tuned. */
    smoothing: 0.1,
    /** Time constant by which the correction of a candidate that is no longer in use fades. Tuned. */
    forgetMs: 30_000,
  },

  /** Which share of the processors the transfer gets (ProcessorShare). */
  processors: {
    /** Memory of what the share was. Tuned. */
    rememberedMs: 400,
    /** Milliseconds of work that the first guess, all of the processors, is worth. Tuned. */
    firstMs: 50,
  },

  /** Which jobs' processor time is measured (CpuSampler). */
  sampling: {
    /** Two to four clock calls of 5 µs with cold caches, measured on an x86-64 server; microseconds. */
    costUs: 15,
    /** Share of the workers' time that measuring may take. Tuned. */
    share: 0.005,
    /** At least one job in this many is measured. Tuned. */
    rarest: 16,
    /** Jobs measured one after the other at the start, when nothing is known. Tuned. */
    firstJobs: 128,
    /** Share of one job that is taken up. Tuned. */
    smoothing: 0.1,
  },

  /** What each candidate costs on this guest (Curves). */
  costs: {
    /** Memory of what kind of bytes flow now; at most half of the time since the start, when everything is cold. Tuned. */
    followMs: 400,
    /** Age at which a stretch of the stream is dropped; leastStretches stay in any case. Tuned. */
    stretchesMs: 1_000,
    leastStretches: 4,
    /** Both above are at most this share of the time since the start. */
    sinceStartShare: 0.5,
    /** Chunks that one trial stands for while chunks go without a codec, and trials that are remembered. Tuned. */
    storedTrialWeight: 4,
    storedTrialsKept: 12,
    /** What one more chunk leaves of older knowledge, at least. Tuned. */
    keptPerChunk: 0.75,
    /** Trials that the expected costs of a candidate are worth. Tuned. */
    expectedTrials: 2,
    /** Weight of one trial, at least, after many. Tuned. */
    leastTrialWeight: 0.2,
    /** First guess: zstd level 1 on a byte that is neither zero nor a duplicate, nanoseconds and encoded size. */
    firstCodecNs: ZSTD1_NS_PER_BYTE,
    firstSize: ZSTD1_SIZE,
    /** First guess: share of such bytes, and nanoseconds of a job beside the codec for a guest byte. */
    firstPlainShare: 0.8,
    firstAroundNs: 0.2,
    /** Chunks that the first guesses are worth. */
    firstChunks: 0.5,
    /** Costs of chunks before this are not remembered for later transfers: code is compiled and memory touched for the first time. */
    coldMs: 250,
    /** Chunks that must have been coded and measured after that, before their costs are remembered. */
    leastLearnedChunks: 8,
  },

  /** What the main thread costs (MainThread). */
  mainThread: {
    /** First guess: nanoseconds for a chunk, and for a byte on the link. */
    firstNsPerChunk: 60_000,
    firstNsPerByte: 0.3,
    /** Share of one interval's surprise that is taken up. Tuned. */
    smoothing: 0.2,
  },

  /** What the link carries (LinkGauge). */
  link: {
    /** A write that took less did not wait. */
    waitMs: 0.5,
    /** Bytes that a limiting link still holds when a write ends, at least; or waitQueueShare of a smaller write. */
    queueBytes: 48 * KIB,
    waitQueueShare: 0.5,
    /** Waiting in an interval, in milliseconds and as a share, before it measures the rate. Tuned. */
    leastWaitMs: 10,
    leastWaitShare: 0.1,
    /** Below this share of waiting the link does not limit. Tuned. */
    freeShare: 0.05,
    /** A rate this far from the estimate is a change, not noise. Tuned. */
    changeShare: 0.25,
    /** An interval counts as a change only if the link limited for more than this share of it. */
    changeWaitShare: 0.5,
    /** A measurement this many times the one before comes from an interval in which the link changed. Tuned. */
    jumpFactor: 2,
    /** Estimate of a link that has never limited: this many times what was seen. Tuned. */
    raiseFactor: 4,
    /** The same for a link that was measured and carries more since. Tuned. */
    raiseMeasuredFactor: 8,
    /** Throughput is that of the fastest run of this many bytes: zero pages put little on the link. */
    runBytes: 1_048_576,
    /** Below this share of the estimate the link was not loaded, so the absence of back-pressure proves nothing. Tuned. */
    minUtilisation: 0.95,
    /** The link must limit for this long before the first measurement counts: starting threads look alike. Tuned. */
    confirmMs: 70,
    /** A probe that has waited for less than this did not find the link's limit. Tuned. */
    probeWaitMs: 2,
    /** Time without back-pressure before a probe of a link that is not loaded, and at most between two probes. Tuned. */
    unloadedMs: 500,
    probeMostMs: 1_000,
    /** Time without back-pressure after which the estimate is raised; raiseSoonMs if throughput exceeds it. Tuned. */
    raiseAfterMs: 120,
    raiseSoonMs: 50,
    /** Each wrong raise multiplies raiseAfterMs by this: just below its rate a link does not limit either. Tuned. */
    raiseBackoff: 8,
    /** Bytes that must leave without back-pressure before a raise: buffers take the first bytes of any link. */
    raiseBytes: 1_048_576,
    /** Share of an interval's rate that is taken up when the link limited throughout. Tuned. */
    smoothing: 0.4,
    /** What the link carried this recently it still carries: pauses of either side are shorter. Tuned. */
    carriedMs: 400,
    /** Where both sides waited for this share of the time, the link is slow now. Tuned. */
    bothWaitShare: 0.9,
    /** A link that was saturated this recently is still saturated if no more passes now. Tuned. */
    saturatedMs: 500,
    /** A receiver that waits less than this may be what empties the buffer no faster. Tuned. */
    receiverWaitShare: 0.5,
    /** Share of an interval that a link without a rest counts as limiting, where no write waited. Tuned. */
    drainedShare: 0.5,
  },

  /** How fast the kernel's buffer drains (DrainMeter). */
  drain: {
    /** With less in the buffer the link may have had a rest: the kernel counts bytes in flight, too. */
    leftBytes: 48 * KIB,
    /** Draining in all remembered intervals, or in one alone, before there is a rate. Tuned. */
    leastMs: 2,
    aloneMs: 10,
    /** How long an interval is remembered. Tuned. */
    rememberedMs: 600,
  },

  /** When slow writes mean a slow link (SlowdownDetector). One slow write may have waited for a lost packet. */
  slowdown: {
    /** A write below this share of the estimate is slow. Tuned. */
    slowShare: 0.5,
    /** Consecutive slow writes, and their total time, before the link counts as slow. Tuned. */
    leastWrites: 2,
    leastMs: 60,
  },

  /** Whether both sides waited at once (ReceiverGauge). */
  receiver: {
    /** Reports are in flight while an interval ends: turns are told apart over this span. Tuned. */
    lookBackMs: 100,
    /** Waiting shares of both sides that add up to more than this overlapped: 1 by arithmetic, and a margin. Tuned. */
    overlap: 1.1,
  },

  /** When an expected gain is worth a switch (SwitchPolicy). Gains are shares of the present rate. */
  switching: {
    /** Length of the phase `starting`, and of `following` after a change. Tuned. */
    settlingMs: 3_000,
    /** Gains below these are noise: while starting, and later. Tuned. */
    startingGain: 0.03,
    gain: 0.05,
    /** A gain this large follows a change, and need not last at the very start. Tuned. */
    largeGain: 0.25,
    /** Start of the phase `starting` in which gains need to last for soonMs only. Tuned. */
    firstMs: 1_000,
    /** How long a gain must last at the first moments, later in `starting` and `following`, and in `steady`. Tuned. */
    soonMs: 20,
    laterMs: 150,
    steadyMs: 300,
    /** The same for a large gain after a change. Tuned. */
    changeMs: 90,
    /** For this long after a change a gain of freshGain need last for soonMs only. Tuned. */
    freshMs: 500,
    freshGain: 0.1,
    /** After a change a gain this large does not need to last. Tuned. */
    immediateGain: 1,
    /** Switches under constant conditions: at once, and one more after so many milliseconds. */
    steadySwitches: 1,
    steadyEveryMs: 40_000,
    /** The same while link or guest change. */
    changeSwitches: 8,
    changeEveryMs: 2_000,
  },

  /** When chunks without compression find out what the link carries (Probe). */
  probe: {
    /** The first one fills buffers on the way and the second one measures. */
    chunks: 2,
    /** Where chunks put little on the link, so many are sent. */
    mostChunks: 8,
    /** With larger chunks a probe would take too long. */
    largestChunkBytes: 2_097_152,
    /** Bytes that a probe must put on the link: stretches of zero pages measure nothing. */
    leastBytes: 1_048_576,
  },

  /** How much is spent on trials (Trials). */
  trials: {
    /** Share of the workers' time. Tuned. */
    workShare: 0.004,
    /** Share of the time in which the link limits and processors idle; storedShare while chunks go without a codec. Tuned. */
    idleShare: 0.004,
    storedShare: 0.04,
    /** Microseconds of credit at the start, and at most. Tuned. */
    firstCreditUs: 12_000,
    largestCreditUs: 40_000,
    /** Candidates of which the one tried longest ago is next. Tuned. */
    favourites: 4,
    /** Chunks between two trials, so that they spread over the guest. Tuned. */
    apartChunks: 3,
  },

  limits: LIMITS,
} as const;

type Numbers<T> = { readonly [K in keyof T]: T[K] extends number ? number : Numbers<T[K]> };

/** The same with other values: for the simulation. */
export type Policy = Numbers<typeof POLICY>;
