// `peakMemory`: the peak resident memory of this process, from /proc. The figure of getrusage(2) survives exec on Linux: a small
// program that a large one has started would report the large one's peak.

import fs from 'node:fs';

/** Bytes of all threads. */
export function peakMemory(): number {
  try {
    const [, kib] = /^VmHWM:\s*(\d+) kB/m.exec(fs.readFileSync('/proc/self/status', 'latin1')) ?? [];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {
    // Not Linux, or /proc is not readable.
  }
  return process.resourceUsage().maxRSS * 1024;
}
