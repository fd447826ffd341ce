// The controller in simulated time: which candidate it reaches, how soon it follows a change, how often it switches.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  BUSY_RECEIVER,
  GUESTS,
  LINKS,
  MEMORY_SPEED,
  SLOW_RECEIVER,
} from '../../../lab/adaptive/scenarios.js';
import type { LearnedLink } from '../../../src/transfer/adaptive/history/prior.js';
import { CHUNK, Simulation } from '../../../lab/adaptive/simulation.js';
import { WORLD } from '../../../lab/adaptive/world.js';

function limitedAt(rate: number): LearnedLink {
  return { rate, limited: true };
}

function changes(simulation: Simulation, from: number, to = Infinity): number {
  return simulation.switches.filter(({ time }) => time >= from && time < to).length;
}

describe('Controller', () => {
  for (const [link, rate] of Object.entries(LINKS)) {
    for (const [guest, traits] of Object.entries(GUESTS)) {
      it(`reaches 92 % of the best candidate with few switches: ${link}, ${guest} guest`, () => {
        const simulation = new Simulation({ ...WORLD, ...traits, link: rate });
        simulation.run(3_000);
        const reached = simulation.run(120_000);
        const share = reached / simulation.best();
        assert.ok(share > 0.92, `${share.toFixed(3)} of the best, with ${simulation.coding}`);
        for (const minute of [3_000, 63_000]) {
          assert.ok(changes(simulation, minute, minute + 60_000) <= 2, JSON.stringify(simulation.switches));
        }
      });
    }
  }

  for (const [link, rate] of Object.entries(LINKS)) {
    it(`reaches 90 % of the best candidate, with a receiver as busy as the sender: ${link}`, () => {
      const simulation = new Simulation({ ...WORLD, plain: 0.5, link: rate, receiver: BUSY_RECEIVER });
      simulation.run(3_000);
      const reached = simulation.run(20_000);
      const share = reached / simulation.best();
      assert.ok(share > 0.9, `${share.toFixed(3)} of the best, with ${simulation.coding}`);
      assert.ok(changes(simulation, 3_000) <= 2, JSON.stringify(simulation.switches));
    });
  }

  describe('with a prior', () => {
    const COSTS = {
      ...{ codecNs: 1.3, size: 0.16, aroundNs: 0.12 },
      ...{ mainNsPerChunk: 60_000, mainNsPerByte: 0.3, chunks: 8 },
    };

    it('begins at the level for the link, and stays there', () => {
      const slow = new Simulation(
        { ...WORLD, link: LINKS['30 Mbit/s'] },
        { first: { link: limitedAt(3.75e6), costs: COSTS } },
      );
      const fast = new Simulation(
        { ...WORLD, link: MEMORY_SPEED },
        { first: { link: limitedAt(MEMORY_SPEED), costs: COSTS } },
      );
      assert.equal(slow.coding, 'zstd 8');
      assert.equal(fast.coding, 'none');
      slow.run(2_000);
      fast.run(2_000);
      assert.deepEqual([slow.switches, fast.switches], [[], []]);
    });

    it('begins at a given level all the same', () => {
      const simulation = new Simulation({ ...WORLD }, { first: { level: 1, link: limitedAt(3.75e6) } });
      assert.equal(simulation.coding, 'zstd 1');
    });

    it('loses less than 10 % of two seconds on a link that is ten times slower than remembered', () => {
      for (const rate of [LINKS['30 Mbit/s'], LINKS['100 Mbit/s'], LINKS['1 Gbit/s']]) {
        const run = (first: object): number => new Simulation({ ...WORLD, link: rate }, { first }).run(2_000);
        const remembered = run({ link: limitedAt(10 * rate), costs: COSTS });
        assert.ok(remembered > 0.9 * run({}), `${rate} bytes/s: ${remembered}`);
      }
    });

    it('forgets costs that are wrong by a factor of three', () => {
      const costs = { ...COSTS, codecNs: 4, size: 0.5, aroundNs: 0.5 };
      const simulation = new Simulation({ ...WORLD }, { first: { link: limitedAt(125e6), costs } });
      simulation.run(1_000);
      const share = simulation.run(4_000) / simulation.best();
      assert.ok(share > 0.92, `${share.toFixed(3)} of the best, with ${simulation.coding}`);
    });
  });

  it('does not take cold code for expensive codecs for long', () => {
    const simulation = new Simulation({
      ...WORLD,
      link: LINKS['1 Gbit/s'],
      cold: { codec: 3, beside: 3, ms: 150 },
    });
    simulation.run(500);
    const share = simulation.run(1_000) / simulation.best();
    assert.ok(share > 0.9, `${share.toFixed(3)} of the best, with ${simulation.coding}`);
  });

  it("measures no link rate, where the receiver's disk is slow", () => {
    const simulation = new Simulation({ ...WORLD, link: LINKS['10 Gbit/s'], receiver: SLOW_RECEIVER });
    simulation.run(20_000);
    const { level } = simulation.list[simulation.controller.current]!;
    assert.ok(level <= 1, simulation.coding);
    assert.equal(simulation.controller.linkRate, undefined);
  });

  it('sends without a codec, over a link of memory speed', () => {
    const simulation = new Simulation({ ...WORLD, link: MEMORY_SPEED });
    simulation.run(500);
    assert.equal(simulation.coding, 'none');
  });

  it('follows a link that becomes slow and fast again, within a second', () => {
    const simulation = new Simulation({ ...WORLD, link: LINKS['3 Gbit/s'] });
    simulation.run(4_000);
    simulation.world.link = LINKS['100 Mbit/s'];
    simulation.run(1_000);
    const slow = simulation.run(4_000) / simulation.best();
    assert.ok(slow > 0.92, `slow: ${slow.toFixed(3)} of the best, ${simulation.coding}`);
    simulation.world.link = LINKS['3 Gbit/s'];
    simulation.run(1_000);
    const fast = simulation.run(4_000) / simulation.best();
    assert.ok(fast > 0.92, `fast: ${fast.toFixed(3)} of the best, ${simulation.coding}`);
  });

  it('follows a guest whose memory changes, within a second', () => {
    const simulation = new Simulation({ ...WORLD, link: LINKS['1 Gbit/s'] });
    simulation.run(10_000);
    Object.assign(simulation.world, { size: 0.95, plain: 1 });
    simulation.run(1_000);
    const share = simulation.run(3_000) / simulation.best();
    assert.ok(share > 0.9, `${share.toFixed(3)} of the best, ${simulation.coding}`);
  });

  it('spends less than 2 % of the time on trials', () => {
    for (const link of Object.values(LINKS)) {
      const simulation = new Simulation({ ...WORLD, link });
      simulation.run(10_000);
      assert.ok(simulation.controller.trials.count > 3);
      assert.ok(simulation.trialCpu < 0.02 * 10_000, `${simulation.trialCpu} ms of 10 s`);
    }
  });

  it('keeps maxLevel, and a codec where none is not allowed', () => {
    const bounded = new Simulation({ ...WORLD, link: LINKS['30 Mbit/s'] }, { maxLevel: 3 });
    bounded.run(5_000);
    assert.equal(bounded.coding, 'zstd 3');
    const always = new Simulation({ ...WORLD, link: MEMORY_SPEED }, { none: false });
    always.run(5_000);
    assert.match(always.coding, /^zstd -/);
  });

  it('begins at the given level', () => {
    assert.equal(new Simulation(WORLD, { first: { level: 3 } }).coding, 'zstd 3');
    assert.equal(new Simulation(WORLD).coding, 'zstd 1');
  });

  it('uses a given link rate from the first evaluation on', () => {
    const link = LINKS['100 Mbit/s'];
    const simulation = new Simulation({ ...WORLD, link }, { first: { link: limitedAt(link) } });
    simulation.run(400);
    assert.ok(simulation.switches.length <= 1 && simulation.controller.linkRate !== undefined);
    assert.ok(simulation.list[simulation.controller.current]!.level > 1, simulation.coding);
  });

  it('does not switch, while the input is the bottleneck', () => {
    const simulation = new Simulation({ ...WORLD, link: LINKS['3 Gbit/s'], reader: 20 });
    simulation.run(30_000);
    assert.ok(simulation.switches.length <= 1, JSON.stringify(simulation.switches));
  });

  it('leaves out levels that take longer than longestChunk', () => {
    const simulation = new Simulation({ ...WORLD, link: 1e5 });
    simulation.run(60_000);
    const { level } = simulation.list[simulation.controller.current]!;
    assert.ok(level > 3 && level < 17, `level ${level}`);
  });

  it('takes higher levels, with a larger longestChunk', () => {
    const levels = [100, 2_000].map((longestChunk) => {
      const simulation = new Simulation({ ...WORLD, link: 1e5 }, { longestChunk });
      simulation.run(60_000);
      return simulation.list[simulation.controller.current]!.level;
    });
    assert.ok(levels[0]! < 17 && levels[1]! >= 17, levels.join());
  });

  it('reports time, candidates and reason of each switch', () => {
    const simulation = new Simulation({ ...WORLD, link: LINKS['30 Mbit/s'] });
    simulation.run(3_000);
    const [first] = simulation.switches;
    assert.equal(first!.from, 'zstd 1');
    assert.match(first!.to, /^zstd \d+$/);
    assert.match(first!.reason, /link limits/);
    assert.ok(Math.abs(first!.linkRate! / LINKS['30 Mbit/s'] - 1) < 0.3);
    assert.ok(first!.expectedAfter > first!.expectedBefore);
    assert.ok(simulation.guest >= CHUNK);
  });
});
