// The rounds of pre-copy counted from a stream, and the judgement of their convergence.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NO_IDENTITY } from '../../../src/grammar/grammar.js';
import { type Convergence, judge } from '../../../src/transfer/statistics/convergence.js';
import { ConvergenceWatch } from '../../../src/transfer/statistics/convergence-watch.js';
import { RoundCounter } from '../../../src/transfer/statistics/rounds.js';

const LIMIT = 300;

interface Guest {
  /** Pages of RAM, and pages of the working set, which the guest dirties evenly. */
  readonly ram: number;
  readonly workingSet: number;
  /** Pages per millisecond. */
  readonly dirty: number;
  readonly link: number;
}

/** Pre-copy of a guest in simulated time. Takes 20 judgements in each round. */
class Simulation {
  time = 1000;
  readonly warnings: string[] = [];
  readonly watch: ConvergenceWatch;
  /** The judgements of each round, from round 1 on. */
  readonly judgements: (Convergence | undefined)[][] = [[]];

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

  /** @returns the pages of every round; the last round was sent while the guest was paused */
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

  /** Sends one round: so many pages, evenly distributed over an area. */
  round(pages: number, area: number): void {
    const round: (Convergence | undefined)[] = [];
    for (let i = 0; i < pages; i++) {
      this.watch.rounds.pages(1, 5000 + Math.floor((i * area) / pages));
      this.time += 1 / this.guest.link;
      if ((i + 1) % Math.ceil(pages / 20) === 0) round.push(this.watch.look());
    }
    this.judgements.push(round);
  }
}

describe('RoundCounter', () => {
  const count = (...calls: readonly (readonly [n: number, identity: number])[]): RoundCounter => {
    const rounds = new RoundCounter(() => 0);
    for (const [n, identity] of calls) rounds.pages(n, identity);
    return rounds;
  };

  it('begins a round where page numbers do not ascend, and counts the pages between', () => {
    const view = count([3, 0], [1, 10], [5, 11], [2, 4], [1, 100], [1, 100]).view();
    assert.equal(view?.count, 3);
    assert.deepEqual([view.beforePrevious?.pages, view.previous?.pages, view.current.pages], [9, 3, 1]);
  });

  it('ignores pages without an identity', () => {
    assert.equal(count([1, NO_IDENTITY], [9, NO_IDENTITY]).view(), undefined);
    assert.equal(count([1, 5], [9, NO_IDENTITY], [1, 6]).view()?.count, 1);
  });

  it('gives no view after a checkpoint that is followed by pages', () => {
    const rounds = count([4, 0], [4, 0]);
    rounds.checkpoint();
    assert.equal(rounds.view()?.count, 2);
    rounds.pages(1, 0);
    assert.equal(rounds.view(), undefined);
  });

  it('knows how many pages the round before had sent at the same position, any size of rounds', () => {
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
          // Accurate to a stride, which grows with the round, and to a run, which counts at its end.
          const slack = Math.max(256, pages / 1024) + run;
          assert.ok(Math.abs(previousUpToHere - here) <= slack, `${previousUpToHere} of ${here}`);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('ConvergenceWatch', () => {
  const GUEST = { ram: 100_000, workingSet: 60_000, dirty: 10, link: 20 };

  it('predicts rounds, time and downtime, converging guest', () => {
    const simulation = new Simulation(GUEST);
    const sizes = simulation.run(6);
    assert.deepEqual(sizes, [100_000, 50_000, 25_000, 12_500, 6250, 3125, 1563]);
    assert.deepEqual(
      simulation.judgements[1]!.map((one) => one?.state),
      Array.from({ length: 20 }, () => 'unknown'),
    );
    // Round 3 takes 1250 ms. At its end 12,500 pages are dirty (625 ms). One more round leaves 6250 (312 ms), and a third follows.
    const judgement = simulation.judgements[3]!.at(-1)!;
    assert.equal(judgement.state, 'converging');
    assert.equal(judgement.dirtySyncCount, 3);
    assert.ok(Math.abs(judgement.dirtyPagesRate! - 10_000) < 200, JSON.stringify(judgement));
    assert.ok(Math.abs(judgement.carriedPagesRate - 20_000) < 200);
    assert.ok(Math.abs(judgement.expectedDowntime! - 625) < 20);
    assert.equal(judgement.expectedRounds, 2);
    assert.ok(Math.abs(judgement.expectedTime! - (625 + 312 + 156)) < 40);
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

  it('judges diverging early in the third round and warns once, pages dirtied faster than sent', () => {
    const simulation = new Simulation({ ...GUEST, dirty: 30 });
    assert.deepEqual(simulation.run(5), [100_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
    const third = simulation.judgements[3]!.map((one) => one?.state);
    // From the fourth of the 20 judgements on, all are diverging.
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
    assert.equal(simulation.judgements[3]!.at(-1)?.expectedRounds, undefined);
  });

  it('warns once, converging between two diverging rounds', () => {
    const simulation = new Simulation(GUEST);
    for (const pages of [100_000, 60_000, 60_000, 20_000, 20_000]) simulation.round(pages, 60_000);
    assert.deepEqual(
      [3, 4, 5].map((round) => simulation.judgements[round]!.at(-1)?.state),
      ['diverging', 'converging', 'diverging'],
    );
    assert.equal(simulation.warnings.length, 1);
  });

  it('judges diverging in the second round, round as large as the first', () => {
    const simulation = new Simulation({ ...GUEST, workingSet: 100_000, dirty: 30 });
    simulation.run(1);
    assert.equal(simulation.judgements[2]![9]?.state, 'unknown');
    assert.equal(simulation.judgements[2]!.at(-1)?.state, 'diverging');
  });

  it('judges converging, working set sent within the downtime limit', () => {
    const simulation = new Simulation({ ...GUEST, workingSet: 4000, dirty: 30 });
    assert.equal(simulation.run(4).at(-1), 4000);
    assert.deepEqual(simulation.warnings, []);
    const judgement = simulation.judgements[4]!.at(-1)!;
    assert.equal(judgement.state, 'converging');
    assert.equal(judgement.expectedRounds, 0);
  });

  it('counts rounds without a judgement, stream from a file', () => {
    const watch = new ConvergenceWatch({ downtimeLimit: LIMIT, live: false, now: () => 0 });
    for (let i = 0; i < 3; i++) watch.rounds.pages(10_000, 0);
    assert.equal(watch.look(), undefined);
    watch.end();
    assert.equal(watch.look(), undefined);
    assert.equal(watch.rounds.view()?.count, 3);
  });

  it('judges with finite numbers, any view', () => {
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
