// The tasks of odd-jobs.ts.

export const DEED = { work: 0, fail: 1, crash: 2, hang: 3, later: 4, leave: 5, hoard: 6 } as const;

/** The job's `usedLevel` as soon as a worker has taken it. */
export const BEGUN = 99;
