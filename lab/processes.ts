// Whole processes, measured from outside: wall time, processor time and most resident memory.
// Processor time is the kernel's account of ended children (getrusage), so commands run one after the other.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { childrenCpu } from '../src/os/children-cpu.js';
import { killLater } from './cleanup.js';
import { SHIPPED_COMMAND } from './places.js';

export interface Run {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of all its threads, user and system; NaN where the system cannot be asked. */
  readonly cpu: number;
  /** Bytes; NaN for a command too short to be looked at. */
  readonly peak: number;
  readonly stdout: string;
}

/** How often a process's memory is looked at. What counts is the kernel's own high-water mark. */
const LOOK_MS = 10;

/** The command line of ramferry as a command. */
export function ramferry(...args: readonly string[]): string[] {
  return [process.execPath, SHIPPED_COMMAND, ...args];
}

/** Runs a command to its end. @throws Error with what it said when its status is not 0 */
export async function run(command: readonly string[], options: { memory?: boolean } = {}): Promise<Run> {
  const before = childrenCpu();
  const started = performance.now();
  const { peak, stdout } = await start(command, options).ended;
  const wall = (performance.now() - started) / 1e3;
  return { wall, cpu: childrenCpu() - before, peak, stdout };
}

export interface Started {
  readonly ended: Promise<{ peak: number; stdout: string }>;
  /** Resolves when the text has appeared on its standard output or error, or the command has ended. */
  said(text: string): Promise<void>;
  /** What it has written to its standard output so far. */
  output(): string;
  /** Resolves with the first group of what it says that matches. @throws Error when it ends without having said it */
  saying(pattern: RegExp): Promise<string>;
}

export function start(command: readonly string[], { memory = false } = {}): Started {
  const [file, ...args] = command;
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  killLater(child);
  let peak = NaN;
  const look = memory
    ? setInterval(() => {
        peak = residentPeak(child.pid) ?? peak;
      }, LOOK_MS)
    : undefined;
  let stdout = '';
  let stderr = '';
  const waiting: { text: string; resolve: () => void }[] = [];
  const listen = (): void => {
    for (const each of waiting) if ((stdout + stderr).includes(each.text)) each.resolve();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    listen();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    listen();
  });
  const ended = new Promise<{ peak: number; stdout: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      clearInterval(look);
      if (status === 0) resolve({ peak, stdout });
      else reject(new Error(`${command.join(' ')} ended with ${status}: ${stderr}`));
    });
  });
  const said = (text: string): Promise<void> =>
    Promise.race([
      new Promise<void>((resolve) => {
        waiting.push({ text, resolve });
        listen();
      }),
      ended.then(() => undefined),
    ]);
  const saying = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const [, found] = pattern.exec(stdout + stderr) ?? [];
      if (found !== undefined) return found;
      await Promise.race([
        new Promise<void>((resolve) => waiting.push({ text: '', resolve })),
        ended.then(() => {
          throw new Error(`${command.join(' ')} never said ${pattern.source}: ${stdout}${stderr}`);
        }),
      ]);
    }
  };
  return { ended, said, saying, output: () => stdout };
}

function residentPeak(pid: number | undefined): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
    return kib === undefined ? undefined : Number(kib) * 1024;
  } catch {
    return undefined; // it has just ended
  }
}
