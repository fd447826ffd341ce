// How busy the host is with other programs while something is measured. Times that are taken on a busy host are too long, and by
// how much nothing tells. Promises figures of the whole host: from the load average, and from the kernel's account of all
// processors less what this process and its children used.

import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

import { childrenCpu } from './cpu-time.js';

/** How busy the host was with other programs. */
export interface HostLoad {
  /** Load average over one minute when the measurement began. */
  readonly average: number;
  /** Processors that other programs used during the measurement, on average; absent where the kernel does not say. */
  readonly others?: number;
  /** Processors of the host. */
  readonly cpus: number;
  /** Too busy for the figures to be relied on. */
  readonly busy: boolean;
}

/** Other programs on so large a share of the processors make times differ by more than predictions allow for. */
const BUSY_SHARE = 0.25;
/** As many waiting or running as there are processors. */
const BUSY_AVERAGE = 1;
/** USER_HZ, the unit of /proc/stat on Linux. */
const TICKS_PER_SECOND = 100;

/** Seconds that all processors worked; undefined where /proc is missing. */
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
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6 + childrenCpu();
}

/** The verdict on its figures. Pure. */
export function hostLoad(average: number, others: number | undefined, processors: number): HostLoad {
  const busy = average > BUSY_AVERAGE * processors || (others ?? 0) > BUSY_SHARE * processors;
  return { average, cpus: processors, busy, ...(others === undefined ? {} : { others }) };
}

/** Begins to watch. @returns what to call when the measurement is over and its processes have ended */
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
