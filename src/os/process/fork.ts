// Starts a module of ramferry in a process of its own, with a channel for messages.

import { type ChildProcess, fork, type ForkOptions } from 'node:child_process';
import type { URL } from 'node:url';

import { nodeCommand } from './node-command.js';

/** @param options as for fork(), but `execPath` */
export function forkModule(module: URL, options: Omit<ForkOptions, 'execPath'> = {}): ChildProcess {
  const [execPath, ...before] = nodeCommand();
  return fork(module, { ...options, execPath, execArgv: [...before, ...(options.execArgv ?? [])] });
}
