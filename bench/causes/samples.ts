// Samples of `perf script`: which thread, and the call chain from the innermost function outwards. Threads of a Node
// process have one name, so a thread's role is read from the function that started it.

import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';

/** What a thread is for. `V8` compiles and collects garbage, `libuv` waits for files. */
export type Role = 'main' | 'worker' | 'V8' | 'libuv' | 'other';

export interface Frame {
  /** Name of the function; `[unknown]` where perf has none. */
  readonly symbol: string;
  /** Path of the program or library, `[kernel.kallsyms]`, `[JIT] …` or perf's map of the process. */
  readonly object: string;
}

export interface Sample {
  readonly thread: number;
  /** Whether it is the process's first thread. */
  readonly main: boolean;
  /** Seconds of processor time that this sample stands for. */
  readonly seconds: number;
  /** Innermost first. */
  readonly chain: readonly Frame[];
}

const STARTERS: readonly (readonly [RegExp, Role])[] = [
  [/node::worker::Worker::StartThread/, 'worker'],
  [/PlatformWorkerThread|DelayedTaskScheduler/, 'V8'],
  [/^uv__?worker$|^worker$|uv_library_shutdown/, 'libuv'],
];

/** Reads a recording of `perf record -g -e cpu-clock`. @throws Error when perf cannot read it */
export async function samplesOf(recording: string): Promise<Sample[]> {
  const perf = spawn('perf', ['script', '-i', recording, '--fields', 'pid,tid,period,ip,sym,dso'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const samples: Sample[] = [];
  let chain: Frame[] = [];
  for await (const line of createInterface({ input: perf.stdout })) {
    const head = /^\s*(\d+)(?:\/|\s+)(\d+)\s+(\d+)\s*$/.exec(line);
    if (head !== null) {
      chain = [];
      // The period of cpu-clock is in nanoseconds.
      samples.push({
        main: head[1] === head[2],
        thread: Number(head[2]),
        seconds: Number(head[3]) / 1e9,
        chain,
      });
      continue;
    }
    const frame = /^\s*[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
    if (frame !== null) chain.push({ symbol: frame[1]!, object: frame[2]! });
  }
  if (samples.length === 0) throw new Error(`perf found no samples in ${recording}`);
  return samples;
}

/** The role of each thread. */
export function rolesOf(samples: readonly Sample[]): Map<number, Role> {
  const roles = new Map<number, Role>();
  for (const { thread, main, chain } of samples) {
    if (main) {
      roles.set(thread, 'main');
      continue;
    }
    const known = STARTERS.find(([starter]) => chain.some(({ symbol }) => starter.test(symbol)));
    if (known !== undefined) roles.set(thread, known[1]);
    else if (!roles.has(thread)) roles.set(thread, 'other');
  }
  return roles;
}
