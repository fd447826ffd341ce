// Clean-up at exit: child processes, directories and network namespaces must not outlive the harness.
// It runs in reverse order when the process exits, also after SIGINT, SIGTERM and SIGHUP. A SIGKILL skips it.

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const undoing = new Set<() => void>();

process.on('exit', () => {
  for (const undo of [...undoing].reverse()) undo();
});
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}

/** Registers `undo` (synchronous). @returns a function that calls it; otherwise it is called once at exit */
export function undoLater(undo: () => void): () => void {
  const once = (): void => {
    if (undoing.delete(once)) undo();
  };
  undoing.add(once);
  return once;
}

export function killLater(child: ChildProcess): void {
  const forget = undoLater(() => child.kill('SIGKILL'));
  child.once('exit', forget);
}

export interface Scratch {
  readonly path: string;
  readonly remove: () => void;
}

/** A directory for sockets. Its path is short enough for the length limit of a socket's name. */
export function scratchDirectory(): Scratch {
  const path = mkdtempSync(join(tmpdir(), 'ramferry-live-'));
  return { path, remove: undoLater(() => rmSync(path, { recursive: true, force: true })) };
}
