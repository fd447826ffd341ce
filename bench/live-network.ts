// Two network namespaces with a cable of a chosen speed between them: a source host and a destination host on one
// machine. Unix sockets go through, the file system being the same. Needs root. Nothing is left behind.

import { execFileSync } from 'node:child_process';

import { parseRate } from '../src/units.js';
import { undoLater } from '../test/interop/support/cleanup.js';

export const LINKS = ['none', '1gbit', '100mbit'] as const;
export type LinkRate = (typeof LINKS)[number];

/** The token bucket must hold what passes between two ticks of its timer, else the link is slower than its name. */
const BURST_SECONDS = 0.004;
const SMALLEST_BURST = 131_072;
/** How long a packet may wait in the bucket's queue: a bounded buffer, as in a switch. */
const LATENCY = '20ms';
const DEVICE = 'link0';

export interface Network {
  readonly source: string;
  readonly destination: string;
  /** Of the destination, for the source to connect to. */
  readonly address: string;
  /** Bytes that have left the source so far, headers included. */
  bytesSent(): number;
  /** Gives a cable that has a limit another one, at once. */
  change(rate: string): void;
  remove(): void;
}

/** @param rate as tc writes it (`300mbit`); `none` is a cable without a limit */
export function createNetwork(rate: string): Network {
  const source = `ramferry-${process.pid}-source`;
  const destination = `ramferry-${process.pid}-destination`;
  const remove = undoLater(() => {
    for (const name of [source, destination]) quietly('ip', ['netns', 'delete', name]);
  });
  for (const name of [source, destination]) ip('netns', 'add', name);
  ip('link', 'add', DEVICE, 'netns', source, 'type', 'veth', 'peer', 'name', DEVICE, 'netns', destination);
  const ends = [
    [source, '10.99.0.1'],
    [destination, '10.99.0.2'],
  ] as const;
  for (const [name, address] of ends) {
    ip('-n', name, 'address', 'add', `${address}/30`, 'dev', DEVICE);
    ip('-n', name, 'link', 'set', DEVICE, 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    if (rate !== 'none') shape(name, 'add', rate);
  }
  return {
    source,
    destination,
    address: ends[1][1],
    bytesSent: () => {
      const [device] = JSON.parse(ip('-n', source, '-s', '-j', 'link', 'show', DEVICE)) as [
        { readonly stats64: { readonly tx: { readonly bytes: number } } },
      ];
      return device.stats64.tx.bytes;
    },
    change: (to) => {
      for (const [name] of ends) shape(name, 'change', to);
    },
    remove,
  };
}

function shape(namespace: string, verb: 'add' | 'change', rate: string): void {
  const bucket = ['tbf', 'rate', rate, 'burst', String(burst(rate)), 'latency', LATENCY];
  execFileSync('tc', ['-n', namespace, 'qdisc', verb, 'dev', DEVICE, 'root', ...bucket], { stdio: 'pipe' });
}

/** Bytes. */
function burst(rate: string): number {
  return Math.max(SMALLEST_BURST, Math.round(parseRate(rate, 'rate') * BURST_SECONDS));
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
}

function quietly(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
  } catch {
    // It was never made.
  }
}
