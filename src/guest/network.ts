// Two network namespaces, joined by a veth pair of a chosen rate: two hosts on one machine. Unix sockets cross the
// namespaces, since both share the file system. Needs root, ip and tc. remove() deletes everything; it is synchronous,
// so that a process can call it while it ends.

import { execFileSync } from 'node:child_process';
import { RamferryError } from '../errors.js';

/** The token bucket must hold the bytes that pass between two ticks of its timer. A smaller one lowers the link's rate. */
const BURST_SECONDS = 0.0042;
const MIN_BURST_BYTES = 131_072;
/** Longest wait of a packet in the bucket's queue: a bounded buffer, as in a switch. */
const QUEUE_LATENCY = '20ms';
const DEVICE = 'link0';

export interface Network {
  /** Names of the two namespaces. */
  readonly source: string;
  readonly destination: string;
  /** Prefixes a command so that it runs in the source's namespace. */
  readonly atSource: (command: readonly string[]) => readonly string[];
  readonly atDestination: (command: readonly string[]) => readonly string[];
  /** IP address of the destination, for the source to connect to. */
  readonly address: string;
  /** Bytes that have left the source so far, headers included. */
  bytesSent(): number;
  /** Changes the rate of a limited cable at once. @param bytesPerSecond the new rate */
  change(bytesPerSecond: number): void;
  /** Safe to call twice. */
  remove(): void;
}

/** Whether this process may make network namespaces. */
export function canMakeNetwork(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    for (const tool of ['ip', 'tc']) execFileSync(tool, ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * @param bytesPerSecond rate of the cable in each direction, packet headers included; Infinity = no limit
 * @throws RamferryError ERR_LINK_COMMAND
 */
export function makeNetwork(bytesPerSecond: number): Network {
  const source = `ramferry-${process.pid}-source`;
  const destination = `ramferry-${process.pid}-destination`;
  const remove = (): void => {
    for (const name of [source, destination]) quietly('ip', ['netns', 'delete', name]);
  };
  const [sourceAddress, destinationAddress] = ['10.99.1.1', '10.99.1.2'] as const;
  try {
    for (const name of [source, destination]) run('ip', ['netns', 'add', name]);
    const peer = ['peer', 'name', DEVICE, 'netns', destination];
    run('ip', ['link', 'add', DEVICE, 'netns', source, 'type', 'veth', ...peer]);
    for (const [name, address] of [
      [source, sourceAddress],
      [destination, destinationAddress],
    ] as const) {
      run('ip', ['-n', name, 'address', 'add', `${address}/30`, 'dev', DEVICE]);
      for (const device of [DEVICE, 'lo']) run('ip', ['-n', name, 'link', 'set', device, 'up']);
      if (bytesPerSecond !== Infinity) shape(name, 'add', bytesPerSecond);
    }
  } catch (thrown) {
    remove();
    throw thrown;
  }
  return {
    source,
    destination,
    atSource: (command) => ['ip', 'netns', 'exec', source, ...command],
    atDestination: (command) => ['ip', 'netns', 'exec', destination, ...command],
    address: destinationAddress,
    bytesSent: () => {
      const [device] = JSON.parse(run('ip', ['-n', source, '-s', '-j', 'link', 'show', DEVICE])) as [
        { readonly stats64: { readonly tx: { readonly bytes: number } } },
      ];
      return device.stats64.tx.bytes;
    },
    change: (to) => {
      for (const name of [source, destination]) shape(name, 'change', to);
    },
    remove,
  };
}

function shape(namespace: string, verb: 'add' | 'change', bytesPerSecond: number): void {
  const rate = `${Math.round(bytesPerSecond * 8)}bit`;
  const burst = String(Math.max(MIN_BURST_BYTES, Math.round(bytesPerSecond * BURST_SECONDS)));
  const bucket = ['tbf', 'rate', rate, 'burst', burst, 'latency', QUEUE_LATENCY];
  run('tc', ['-n', namespace, 'qdisc', verb, 'dev', DEVICE, 'root', ...bucket]);
}

/** @returns the command's standard output */
function run(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  } catch (thrown) {
    const said = (thrown as { stderr?: string }).stderr?.trim() ?? '';
    throw new RamferryError('ERR_LINK_COMMAND', `${command} ${args.join(' ')} failed: ${said}`, {
      cause: thrown,
      hint: 'without network namespaces use --shaping max-bandwidth',
    });
  }
}

function quietly(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
  } catch {
    // The namespace was never made, or is deleted already.
  }
}
