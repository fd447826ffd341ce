// Processor time of the calling thread, of this process, and of its children that have ended, from the kernel's accounting.
// On a CPU that other programs share, elapsed time does not show what a codec costs.

import { readFileSync } from 'node:fs';
import { declareForeign } from '../foreign.js';

/** linux/time.h, the same on all architectures. */
const CLOCK_THREAD_CPUTIME_ID = 3;
const RUSAGE_CHILDREN = -1;
/** struct rusage: two struct timeval (seconds, microseconds), then 14 longs. */
const RUSAGE_WORDS = 18;
/** Processor time of the calling thread, in nanoseconds (schedstat(5)). */
const THREAD_ACCOUNT = '/proc/thread-self/schedstat';

const functions = declareForeign<{
  readonly clock_gettime: (clock: number, time: BigInt64Array) => number;
  readonly getrusage: (who: number, usage: BigInt64Array) => number;
}>({
  clock_gettime: 'int clock_gettime(int clock, void *time)',
  getrusage: 'int getrusage(int who, void *usage)',
});

/**
 * A clock of the calling thread's processor time. One call takes half a microsecond.
 * @returns microseconds from an arbitrary origin; elapsed time where koffi has no binary for this machine
 */
export function threadClock(): () => number {
  const calls = functions();
  if (calls === undefined) return () => performance.now() * 1e3;
  const read = calls.clock_gettime;
  // struct timespec: seconds and nanoseconds. 32-bit systems have shorter fields, but Node.js has no release for them.
  const time = new BigInt64Array(2);
  return () => {
    read(CLOCK_THREAD_CPUTIME_ID, time);
    return Number(time[0]) * 1e6 + Number(time[1]) / 1e3;
  };
}

/** Processor time of all threads of this process since its start. @returns microseconds, user and system */
export function processMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/**
 * Processor time of the programs that this process has started and that have ended (getrusage(2)).
 * @returns seconds, user and system; NaN where koffi has no binary for this machine
 */
export function childrenCpu(): number {
  const calls = functions();
  if (calls === undefined) return NaN;
  const usage = new BigInt64Array(RUSAGE_WORDS);
  calls.getrusage(RUSAGE_CHILDREN, usage);
  const [user = 0n, userMicros = 0n, system = 0n, systemMicros = 0n] = usage;
  return Number(user + system) + Number(userMicros + systemMicros) / 1e6;
}

/** Seconds of the calling thread. 0 where the kernel lacks this account: all time then counts for the other threads. */
function ownSeconds(): number {
  try {
    return Number(readFileSync(THREAD_ACCOUNT, 'latin1').split(' ', 1)[0]) / 1e9;
  } catch {
    return 0;
  }
}

/**
 * Measures the processor time of this process and of the calling thread; the difference is the workers' cost. Counts from the
 * construction, or from the last reset.
 */
export class ProcessClock {
  #all!: number;
  #own!: number;
  #wall!: number;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#own = ownSeconds();
    this.#all = processMicros();
    this.#wall = performance.now();
  }

  /** Seconds of processor time of the calling thread. */
  own(): number {
    return ownSeconds() - this.#own;
  }

  /** Seconds of processor time of all threads. */
  all(): number {
    return (processMicros() - this.#all) / 1e6;
  }

  /** Seconds of processor time of all threads except the calling thread. */
  others(): number {
    return Math.max(0, this.all() - this.own());
  }

  /** Elapsed seconds. */
  wall(): number {
    return (performance.now() - this.#wall) / 1e3;
  }
}
