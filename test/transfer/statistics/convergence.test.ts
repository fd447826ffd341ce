// Rounds as they are seen from outside, and what is concluded from them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_IDENTITY } from '../../../src/grammar/grammar.js';
import { type Convergence, judge } from '../../../src/transfer/statistics/convergence.js';
import { ConvergenceWatch } from '../../../src/transfer/statistics/convergence-watch.js';
import { RoundCounter } from '../../../src/transfer/statistics/rounds.js';

const LIMIT = 300;

interface Guest {
  /** Pages of RAM, and those of them that are written to, evenly. */
  readonly ram: number;
  readonly workingSet: number;
  /** Pages per millisecond. */
  readonly dirty: number;
  readonly link: number;
}

/** Pre-copy of a guest in simulated time; looks at the watch 20 times a round. */
class Simulation {
  time = 1000;
  readonly warnings: string[] = [];
  readonly watch: ConvergenceWatch;
  /** By round, from 1: what was said at each look. */
  readonly said: (Convergence | undefined)[][] = [[]];

  constructor(
    private readonly guest: Guest,
    downtimeLimit = LIMIT,
  ) {
    this.watch = new ConvergenceWatch({
      downtimeLimit,
      live: true,
      now: () => this.time,
      onWarning: (message) => this.warnings.push(message),
    });
  }

  /** @returns pages of every round; the last of them was sent while the guest was paused */
  run(rounds: number): number[] {
    const { ram, workingSet, dirty, link } = this.guest;
    const sizes: number[] = [];
    let due = ram;
    for (let round = 1; round <= rounds + 1; round++) {
      sizes.push(due);
      this.round(due, round === 1 ? ram : workingSet);
      if (round > rounds) break;
      due = Math.min(workingSet, Math.round((dirty * due) / link));
      if (due === 0) break;
    }
    this.watch.end();
    return sizes;
  }

  /** `pages` of them, evenly over an area. */
  round(pages: number, area: number): void {
    const looks: (Convergence | undefined)[] = [];
    for (let i = 0; i < pages; i++) {
      this.watch.rounds.pages(1, 5000 + Math.floor((i * area) / pages));
      this.time += 1 / this.guest.link;
      if ((i + 1) % Math.ceil(pages / 20) === 0) looks.push(this.watch.look());
    }
    this.said.push(looks);
  }
}

describe('rounds seen from outside', () => {
  const count = (...calls: readonly (readonly [n: number, identity: number])[]): RoundCounter => {
    const rounds = new RoundCounter(() => 0);
    for (const [n, identity] of calls) rounds.pages(n, identity);
    return rounds;
  };

  it('begin where page numbers do not ascend, and hold the pages in between', () => {
    const view = count([3, 0], [1, 10], [5, 11], [2, 4], [1, 100], [1, 100]).view();
    assert.equal(view?.count, 3);
    assert.deepEqual([view.beforePrevious?.pages, view.previous?.pages, view.current.pages], [9, 3, 1]);
  });

  it('are not counted from pages without identity', () => {
    assert.equal(count([1, NO_IDENTITY], [9, NO_IDENTITY]).view(), undefined);
    assert.equal(count([1, 5], [9, NO_IDENTITY], [1, 6]).view()?.count, 1);
  });

  it('are not judged between checkpoints, but are at the end of the stream', () => {
    const rounds = count([4, 0], [4, 0]);
    rounds.checkpoint();
    assert.equal(rounds.view()?.count, 2);
    rounds.pages(1, 0);
    assert.equal(rounds.view(), undefined);
  });

  it('know how far the round before had come at the same place, for any size of rounds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000_000 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (pages, run, share) => {
          const rounds = new RoundCounter(() => 0);
          for (let at = 0; at < pages; at += run) rounds.pages(Math.min(run, pages - at), 7 + at);
          const here = Math.floor(share * (pages - 1));
          rounds.pages(1, 7 + here);
          const { previousUpToHere } = rounds.view()!;
          // Within a stride, which grows with the round; runs are noticed at their ends.
          const slack = Math.max(256, pages / 1024) + run;
          assert.ok(Math.abs(previousUpToHere - here) <= slack, `${previousUpToHere} of ${here}`);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('convergence', () => {
  const GUEST = { ram: 100_000, workingSet: 60_000, dirty: 10, link: 20 };

  it('expects the rounds, the time and the downtime that come', () => {
    const simulation = new Simulation(GUEST);
    const sizes = simulation.run(6);
    assert.deepEqual(sizes, [100_000, 50_000, 25_000, 12_500, 6250, 3125, 1563]);
    assert.deepEqual(
      simulation.said[1]!.map((one) => one?.state),
      Array.from({ length: 20 }, () => 'unknown'),
    );
    // Round 3 of 1250 ms at its end: 12,500 pages are dirty, 625 ms; one more round and 6250 are left, 312 ms; a third.
    const said = simulation.said[3]!.at(-1)!;
    assert.equal(said.state, 'converging');
    assert.equal(said.dirtySyncCount, 3);
    assert.ok(Math.abs(said.dirtyPagesRate! - 10_000) < 200, JSON.stringify(said));
    assert.ok(Math.abs(said.carriedPagesRate - 20_000) < 200);
    assert.ok(Math.abs(said.expectedDowntime! - 625) < 20);
    assert.equal(said.expectedRounds, 2);
    assert.ok(Math.abs(said.expectedTime! - (625 + 312 + 156)) < 40);
    assert.deepEqual(simulation.warnings, []);
    const last = simulation.watch.look()!;
    assert.deepEqual(Object.keys(last).sort(), [
      'carriedPagesRate',
      'dirtyPagesRate',
      'dirtySyncCount',
      'state',
    ]);
    assert.equal(last.state, 'converging');
    assert.equal(last.dirtySyncCount, 7);
  });

  it('is denied early in the third round when the working set is dirtied faster than it is sent, and once', () => {
    const simulation = new Simulation({ ...GUEST, dirty: 30 });
    assert.deepEqual(simulation.run(5), [100_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
    const third = simulation.said[3]!.map((one) => one?.state);
    // The twentieths of the round: from the third on it is plain.
    assert.ok(
      third.slice(3).every((state) => state === 'diverging'),
      third.join(),
    );
    assert.equal(simulation.warnings.length, 1);
    assert.match(
      simulation.warnings[0]!,
      /^the migration does not converge: in round 3 the guest dirties at least \d+ pages\/s \(8\d\.\d MB\/s\) and the link carries \d+ pages\/s/,
    );
    assert.match(simulation.warnings[0]!, /would take about (2\.9|3\.\d) s \(downtime-limit 300 ms\)/);
    assert.equal(simulation.watch.look()?.state, 'diverging');
    assert.equal(simulation.said[3]!.at(-1)?.expectedRounds, undefined);
  });

  it('is denied once, also when it looked better in between', () => {
    const simulation = new Simulation(GUEST);
    for (const pages of [100_000, 60_000, 60_000, 20_000, 20_000]) simulation.round(pages, 60_000);
    assert.deepEqual(
      [3, 4, 5].map((round) => simulation.said[round]!.at(-1)?.state),
      ['diverging', 'converging', 'diverging'],
    );
    assert.equal(simulation.warnings.length, 1);
  });

  it('is denied in the second round when that is as large as the first', () => {
    const simulation = new Simulation({ ...GUEST, workingSet: 100_000, dirty: 30 });
    simulation.run(1);
    assert.equal(simulation.said[2]![9]?.state, 'unknown');
    assert.equal(simulation.said[2]!.at(-1)?.state, 'diverging');
  });

  it('does not matter to a guest whose working set is sent within the limit', () => {
    const simulation = new Simulation({ ...GUEST, workingSet: 4000, dirty: 30 });
    assert.equal(simulation.run(4).at(-1), 4000);
    assert.deepEqual(simulation.warnings, []);
    const said = simulation.said[4]!.at(-1)!;
    assert.equal(said.state, 'converging');
    assert.equal(said.expectedRounds, 0);
  });

  it('gives no judgement but counts rounds, no guest writes the stream meanwhile', () => {
    const watch = new ConvergenceWatch({ downtimeLimit: LIMIT, live: false, now: () => 0 });
    for (let i = 0; i < 3; i++) watch.rounds.pages(10_000, 0);
    assert.equal(watch.look(), undefined);
    watch.end();
    assert.equal(watch.look(), undefined);
    assert.equal(watch.rounds.view()?.count, 3);
  });

  it('is judged in finite numbers, whatever was seen', () => {
    const number = fc.oneof(fc.nat(), fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
    const round = fc.record({ pages: fc.nat(), milliseconds: number });
    const view = fc
      .record({
        count: fc.integer({ min: 1, max: 9 }),
        current: round,
        previous: fc.option(round, { nil: undefined }),
        beforePrevious: fc.option(round, { nil: undefined }),
        previousUpToHere: fc.nat(),
        complete: fc.boolean(),
      })
      .map((drawn) => ({
        ...drawn,
        previousUpToHere: Math.min(drawn.previousUpToHere, drawn.previous?.pages ?? 0),
      }));
    fc.assert(
      fc.property(view, fc.integer({ min: 1, max: 1e6 }), (rounds, limit) => {
        for (const value of Object.values(judge(rounds, limit))) {
          if (typeof value === 'number')
            assert.ok(Number.isFinite(value) && value >= 0, JSON.stringify(rounds));
        }
      }),
    );
  });
});
