// The most memory that this process ever had resident. Not what getrusage says: on Linux its figure survives exec, so a
// small program that a large one has started reports the large one's.

import fs from 'node:fs';

/** Bytes, of all threads. */
export function peakMemory(): number {
  try {
    const [, kib] = /^VmHWM:\s*(\d+) kB/m.exec(fs.readFileSync('/proc/self/status', 'latin1')) ?? [];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // No such file: another system, or one that hides it.
  }
  return process.resourceUsage().maxRSS * 1024;
}
