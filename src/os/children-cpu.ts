// Processor time of programs that this process has started and that have ended: the kernel's account (getrusage(2)).

import { foreign } from './libc.js';

const RUSAGE_CHILDREN = -1;
/** struct rusage: two struct timeval (seconds, microseconds), then 14 longs. */
const RUSAGE_WORDS = 18;

let read: ((who: number, usage: BigInt64Array) => number) | undefined;

/** Seconds, user and system; NaN where koffi has no binary for this machine. */
export function childrenCpu(): number {
  read ??= foreign()?.library.func('int getrusage(int who, void *usage)') as typeof read;
  if (read === undefined) return NaN;
  const usage = new BigInt64Array(RUSAGE_WORDS);
  read(RUSAGE_CHILDREN, usage);
  const [user = 0n, userMicros = 0n, system = 0n, systemMicros = 0n] = usage;
  return Number(user + system) + Number(userMicros + systemMicros) / 1e6;
}
