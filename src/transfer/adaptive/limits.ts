// Bounds and time-outs of adaptive mode: they keep one bad measurement from doing harm, and say when silence means "unknown".
// Kept apart from policy.ts, whose values are tuned. Data only.

/** All of them, as a part of the policy so that the simulation can change them. */
export const LIMITS = {
  /** A correction of the processor model stays between these factors of the expected speed. */
  slowestCorrection: 0.2,
  fastestCorrection: 1.5,
  /** The transfer is taken to get at least this share of the processors: a thread may wait for a disk instead. */
  leastProcessorShare: 0.2,
  /** One trial moves a cost by no more than this factor: a preempted thread must not spoil what is known. */
  largestTrialFactor: 1.6,
  /** One interval moves the main thread's cost by no more than these shares of the surprise, down and up. */
  largestMainDrop: 0.5,
  largestMainRise: 1,
  /** A correction takes at least this share of the interval as working time. */
  leastWorkingShare: 0.5,
  /** The delay before the link estimate is raised grows by back-off to no more than this. */
  raiseDelayMostMs: 60_000,
  /** A trial that would delay its chunk by more than this is not made; microseconds. */
  longestTrialUs: 25_000,
  /** A receiver that has reported nothing for this long is unknown. */
  receiverSilentMs: 500,
  /** Least bytes on the link for a guest byte: a chunk of zero pages still has a record. */
  leastWireShare: 1e-5,
} as const;

/** Switches that a report keeps: a process whose conditions change for days keeps the first ones. */
export const MOST_SWITCHES_KEPT = 1_000;
