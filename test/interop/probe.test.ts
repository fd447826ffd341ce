// A probe through a cable of a known rate: two network namespaces and tc. Needs root; skipped without it.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { createNetwork } from '../../lab/network.js';
import { Command } from '../../lab/command.js';

const CLIENT = `
  const { probe } = await import(process.argv[1]);
  console.log(JSON.stringify(await probe(process.argv[2])));
`;
const ready =
  process.getuid?.() === 0 &&
  spawnSync('tc', ['-V']).status === 0 &&
  spawnSync('ip', ['netns', 'list']).status === 0;
const dist = join(import.meta.dirname, '../../src');

describe('a probe through a cable', { skip: ready ? false : 'needs root, ip and tc' }, () => {
  it('measures at most the rate of the cable', async () => {
    const network = createNetwork('100mbit');
    try {
      const inside = (where: string, ...args: readonly string[]): string[] => [
        ...['ip', 'netns', 'exec', where, process.execPath, ...args],
      ];
      const server = new Command(
        inside(
          network.destination,
          join(dist, 'cli/main.js'),
          'receive',
          '--probe',
          `tcp-listen:${network.address}:0`,
        ),
      );
      const [, address] = await server.says(/listening on (tcp:\S+)/);
      const [program, ...args] = inside(
        network.source,
        ...['--input-type=module', '-e', CLIENT, join(dist, 'tune/probe/client.js'), address!],
      ) as [string, ...string[]];
      const found = JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as { linkRate: number };
      await server.succeeded();
      // A busy machine may lower the measured rate, but nothing raises it above the cable's.
      assert.ok(found.linkRate < (100e6 / 8) * 1.05, String(found.linkRate));
      assert.ok(found.linkRate > 0);
    } finally {
      network.remove();
    }
  });
});
