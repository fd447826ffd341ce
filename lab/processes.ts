// Whole processes, measured from outside: wall time, processor time and peak resident memory.
// Processor time comes from the kernel's account of ended children (getrusage), so commands must run one at a time.

import { readFileSync } from 'node:fs';

import { childrenCpu } from '../src/os/processor/cpu-time.js';
import { Command } from './command.js';

export interface Run {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of all its threads, user and system; NaN where getrusage is not available. */
  readonly cpu: number;
  /** Bytes; NaN for a command that ends before the first sample. */
  readonly peak: number;
  readonly stdout: string;
}

/** Sampling interval of a process's memory. Each sample reads the kernel's high-water mark. */
const SAMPLE_MS = 10;

/** Runs a command to its end. @throws Error with its standard error when its status is not 0 */
export async function run(command: readonly string[], { memory = false } = {}): Promise<Run> {
  const before = childrenCpu();
  const started = performance.now();
  const child = new Command(command);
  let peak = NaN;
  const sample = (): void => void (peak = residentPeak(child.process.pid) ?? peak);
  const sampling = memory ? setInterval(sample, SAMPLE_MS) : undefined;
  const { stdout } = await child.succeeded().finally(() => clearInterval(sampling));
  const wall = (performance.now() - started) / 1e3;
  return { wall, cpu: childrenCpu() - before, peak, stdout: stdout.toString() };
}

function residentPeak(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined; // the process has just ended
  }
}
