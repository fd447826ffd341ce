// `zstd --fast` as xenopsd runs it, with sockets as its standard input and output, between two network namespaces. Every
// case of `tune` and of adaptive mode is compared with it. One processor for each side. Needs root and socat.

import { childrenCpu } from '../../src/os/processor/cpu-time.js';
import type { Network } from '../../lab/network.js';
import { Command } from '../../lab/command.js';
import { run } from '../../lab/processes.js';

const LISTENING_MS = 20_000;

export function within(namespace: string, cpu: string, command: readonly string[]): string[] {
  return ['ip', 'netns', 'exec', namespace, 'taskset', '-c', cpu, ...command];
}

/** Resolves when the port is open. It polls the kernel, since socat does not report that it listens. */
export async function listening({ destination }: Network, port: number): Promise<void> {
  const hex = port.toString(16).toUpperCase();
  for (const until = performance.now() + LISTENING_MS; performance.now() < until;) {
    const { stdout } = await run(['ip', 'netns', 'exec', destination, 'cat', '/proc/net/tcp']);
    if (new RegExp(`:${hex} 00000000:0000 0A`).test(stdout)) return;
  }
  throw new Error(`no process listens on port ${port}`);
}

export interface PipelineOptions {
  readonly network: Network;
  readonly file: string;
  readonly port: number;
  readonly senderCpu: string;
  readonly receiverCpu: string;
}

/** Seconds from the sender's start to the end of both sides, and CPU seconds of both. */
export async function runPipeline(options: PipelineOptions): Promise<{ wall: number; cpu: number }> {
  const { network, file, port, senderCpu, receiverCpu } = options;
  const listen = [
    'socat',
    `TCP-LISTEN:${port},reuseaddr`,
    'SYSTEM:zstd --decompress --stdout > /dev/null,nofork',
  ];
  const receiver = new Command(within(network.destination, receiverCpu, listen));
  await listening(network, port);
  const script = `exec 3<>/dev/tcp/${network.address}/${port}; exec nice -n 19 ionice -c 3 zstd --fast -q -c < "$0" >&3`;
  const before = childrenCpu();
  const started = performance.now();
  await run(within(network.source, senderCpu, ['bash', '-c', script, file]));
  await receiver.succeeded();
  return { wall: (performance.now() - started) / 1e3, cpu: childrenCpu() - before };
}
