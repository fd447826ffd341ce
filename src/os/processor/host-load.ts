// Measures how busy other programs keep the host during a measurement. Times that are measured on a busy host are too long by an
// unknown amount. The figures are of the whole host: the load average, and the kernel's account of all processors minus the processor
// time of this process and its children.

import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

import { childrenCpu, processMicros } from './cpu-time.js';

/** How busy the host was with other programs. */
export interface HostLoad {
  /** Load average over one minute when the measurement began. */
  readonly average: number;
  /** Processors that other programs used during the measurement, on average; absent where the kernel does not report it. */
  readonly others?: number;
  /** Processors of the host. */
  readonly cpus: number;
  /** The host was too busy for reliable measurements. */
  readonly busy: boolean;
}

/** When other programs use a larger share of the processors, times vary by more than the predictions' tolerance. */
const BUSY_SHARE = 0.25;
/** Load average per processor above which the host is busy: more tasks run or wait than there are processors. */
const BUSY_AVERAGE = 1;
/** USER_HZ, the unit of /proc/stat on Linux. */
const TICKS_PER_SECOND = 100;

/** Busy seconds of all processors since boot; undefined where /proc is missing. */
function workedSeconds(): number | undefined {
  try {
    const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
    // proc(5): user nice system idle iowait irq softirq steal; time of guests is part of user.
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const ticks = user + nice + system + irq + softirq + steal;
    return line.startsWith('cpu ') ? ticks / TICKS_PER_SECOND : undefined;
  } catch {
    return undefined;
  }
}

function ownSeconds(): number {
  return processMicros() / 1e6 + childrenCpu();
}

/** Judges the figures. Pure. */
export function hostLoad(average: number, others: number | undefined, processors: number): HostLoad {
  const busy = average > BUSY_AVERAGE * processors || (others ?? 0) > BUSY_SHARE * processors;
  return { average, cpus: processors, busy, ...(others === undefined ? {} : { others }) };
}

/** Starts the observation. @returns a function to call when the measurement is over and its processes have ended */
export function watchHostLoad(): () => HostLoad {
  const [average = 0] = loadavg();
  const began = performance.now();
  const worked = workedSeconds();
  const own = ownSeconds();
  return () => {
    const elapsed = (performance.now() - began) / 1e3;
    const others = ((workedSeconds() ?? NaN) - (worked ?? NaN) - (ownSeconds() - own)) / elapsed;
    return hostLoad(average, Number.isFinite(others) ? Math.max(0, others) : undefined, cpus().length);
  };
}
