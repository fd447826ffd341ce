// Two hosts with two cables between them, each of a limited rate: network namespaces, veth and tbf. Needs root, ip and tc. A name that stands
// for both addresses of the destination, and one address that the kernel reaches over both cables (it draws one for each connection).

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

import { undoLater } from './cleanup.js';

/** The token bucket holds what passes between two ticks of its timer, and a switch's buffer. */
const BURST_BYTES = 131_072;
const QUEUE_LATENCY = '20ms';
const CABLES = [1, 2] as const;

export interface TwoPaths {
  /** Names of the two namespaces. */
  readonly source: string;
  readonly destination: string;
  /** A host name with the destination's address on each cable. */
  readonly name: string;
  /** An address of the destination that lies behind both cables. */
  readonly address: string;
  remove(): void;
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** @param rate of each cable in each direction, as tc writes it (`100mbit`) */
export function makeTwoPaths(rate: string): TwoPaths {
  const source = `ramferry-${process.pid}-from`;
  const destination = `ramferry-${process.pid}-to`;
  const files = `/etc/netns/${source}`;
  const remove = undoLater(() => {
    for (const name of [source, destination]) {
      try {
        execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' });
      } catch {
        // It was never made.
      }
    }
    rmSync(files, { recursive: true, force: true });
  });
  const name = 'both-paths';
  const address = '10.98.9.9';
  for (const each of [source, destination]) {
    ip('netns', 'add', each);
    ip('-n', each, 'link', 'set', 'lo', 'up');
  }
  for (const cable of CABLES) {
    const device = `path${cable}`;
    const there = ['peer', 'name', device, 'netns', destination];
    ip('link', 'add', device, 'netns', source, 'type', 'veth', ...there);
    for (const [place, last] of [
      [source, 1],
      [destination, 2],
    ] as const) {
      ip('-n', place, 'address', 'add', `10.98.${cable}.${last}/24`, 'dev', device);
      ip('-n', place, 'link', 'set', device, 'up');
      const bucket = ['tbf', 'rate', rate, 'burst', String(BURST_BYTES), 'latency', QUEUE_LATENCY];
      execFileSync('tc', ['-n', place, 'qdisc', 'add', 'dev', device, 'root', ...bucket]);
    }
  }
  ip('-n', destination, 'address', 'add', `${address}/32`, 'dev', 'lo');
  const hops = CABLES.flatMap((cable) => ['nexthop', 'via', `10.98.${cable}.2`]);
  ip('-n', source, 'route', 'add', `${address}/32`, ...hops);
  // The hash of a connection's ports chooses its cable, as in a bond with xmit_hash_policy layer3+4.
  ip('netns', 'exec', source, 'sysctl', '-q', '-w', 'net.ipv4.fib_multipath_hash_policy=1');
  // `ip netns exec` puts this file in the place of /etc/hosts.
  mkdirSync(files, { recursive: true });
  writeFileSync(`${files}/hosts`, CABLES.map((cable) => `10.98.${cable}.2 ${name}\n`).join(''));
  return { source, destination, name, address, remove };
}
