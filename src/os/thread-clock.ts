// Processor time of the calling thread. On a CPU that is shared the time on the wall says nothing about what a codec
// costs: it counts other programs on that CPU, too.

import { foreign } from './libc.js';

/** linux/time.h, the same on all architectures. */
const CLOCK_THREAD_CPUTIME_ID = 3;

/** @returns microseconds from any beginning; of the wall clock where the system cannot be asked. Half a µs a call. */
export function threadClock(): () => number {
  const library = foreign()?.library;
  if (library === undefined) return () => performance.now() * 1e3;
  const read = library.func('int clock_gettime(int clock, void *time)') as (
    clock: number,
    time: BigInt64Array,
  ) => number;
  // struct timespec: seconds and nanoseconds. On systems of 32 bits both are shorter; Node has no such release.
  const time = new BigInt64Array(2);
  return () => {
    read(CLOCK_THREAD_CPUTIME_ID, time);
    return Number(time[0]) * 1e6 + Number(time[1]) / 1e3;
  };
}
