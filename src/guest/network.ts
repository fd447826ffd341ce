// Two network namespaces with a cable of a chosen speed between them: two hosts on one machine. Unix sockets go
// through, the file system being the same. Needs root, ip and tc. remove() leaves nothing behind; it is synchronous, so
// that it can still be called when a process must end.

import { execFileSync } from 'node:child_process';
import { RamferryError } from '../errors.js';

/** The token bucket must hold what passes between two ticks of its timer, else the link is slower than its name. */
const BURST_SECONDS = 0.0042;
const SMALLEST_BURST = 131_072;
/** How long a packet may wait in the bucket's queue: a bounded buffer, as in a switch. */
const LATENCY = '20ms';
const DEVICE = 'link0';

export interface Network {
  /** Names of the two namespaces. */
  readonly source: string;
  readonly destination: string;
  /** Puts a command into the source's host. */
  readonly atSource: (command: readonly string[]) => readonly string[];
  readonly atDestination: (command: readonly string[]) => readonly string[];
  /** Of the destination, for the source to connect to. */
  readonly address: string;
  /** Bytes that have left the source so far, headers included. */
  bytesSent(): number;
  /** Gives a cable that has a limit another one, in bytes per second, at once. */
  change(bytesPerSecond: number): void;
  /** Safe to call twice. */
  remove(): void;
}

/** Whether this process may make one. */
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
 * @param bytesPerSecond of the cable, each way, packet headers included; Infinity = a cable without a limit
 * @throws RamferryError ERR_LINK_COMMAND
 */
export function makeNetwork(bytesPerSecond: number): Network {
  const source = `ramferry-${process.pid}-source`;
  const destination = `ramferry-${process.pid}-destination`;
  const remove = (): void => {
    for (const name of [source, destination]) quietly('ip', ['netns', 'delete', name]);
  };
  const [here, there] = ['10.99.1.1', '10.99.1.2'] as const;
  try {
    for (const name of [source, destination]) run('ip', ['netns', 'add', name]);
    const peer = ['peer', 'name', DEVICE, 'netns', destination];
    run('ip', ['link', 'add', DEVICE, 'netns', source, 'type', 'veth', ...peer]);
    for (const [name, address] of [
      [source, here],
      [destination, there],
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
    address: there,
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
  const burst = String(Math.max(SMALLEST_BURST, Math.round(bytesPerSecond * BURST_SECONDS)));
  const bucket = ['tbf', 'rate', rate, 'burst', burst, 'latency', LATENCY];
  run('tc', ['-n', namespace, 'qdisc', verb, 'dev', DEVICE, 'root', ...bucket]);
}

/** @returns what it writes to standard output */
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
    // It was never made, or is gone already.
  }
}
