import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';

import { type Host, type StretchCost, predict, type Route } from '../../../src/tune/model/model.js';
import { speedup } from '../../../src/tune/model/scaling.js';

const NOTHING = { perWireByte: 0, perChunk: 0, perGuestByte: 0 };

function host(cpus: number, change: Partial<Host> = {}): Host {
  return { cpus, main: NOTHING, scaling: [{ threads: 1, speedup: 1 }], ...change };
}

function route(change: Partial<Route> = {}): Route {
  return { sender: host(1), receiver: host(1), linkRate: Infinity, startUp: 0, ...change };
}

const LOAD: StretchCost = {
  weight: 10,
  guestBytes: 1e6,
  wireBytes: 2e5,
  chunks: 1,
  encode: 0.01,
  decode: 0.004,
};
const ONE = { compress: 1, decompress: 1 };

/** Without what the first and the last chunk add. */
function flow(load: StretchCost, on: Route, threads = ONE): number {
  return (load.guestBytes * load.weight) / predict([load], threads, on).guestRate;
}

describe('predict', () => {
  it('takes as long as the slowest stage', () => {
    assert.ok(Math.abs(flow(LOAD, route()) - 0.1) < 1e-9);
    assert.ok(Math.abs(flow(LOAD, route({ linkRate: 1e6 })) - 2) < 1e-9);
    assert.equal(predict([LOAD], ONE, route()).bottleneck, 'compress');
    assert.equal(predict([LOAD], ONE, route({ linkRate: 1e6 })).bottleneck, 'link');
    assert.equal(predict([{ ...LOAD, decode: 0.02 }], ONE, route()).bottleneck, 'decompress');
  });

  it('adds the main thread to the workers where they share one processor', () => {
    const main = { ...NOTHING, perWireByte: 0.005 / LOAD.wireBytes };
    assert.ok(Math.abs(flow(LOAD, route({ sender: host(1, { main }) })) - 0.15) < 1e-9);
    const two = host(2, {
      main,
      scaling: [
        { threads: 1, speedup: 1 },
        { threads: 2, speedup: 2 },
      ],
    });
    assert.ok(Math.abs(flow(LOAD, route({ sender: two })) - 0.1) < 1e-9, 'one worker, one main thread');
    assert.ok(
      Math.abs(flow(LOAD, route({ sender: two }), { compress: 2, decompress: 1 }) - 0.075) < 1e-9,
      'two workers and a main thread on two processors',
    );
  });

  it('sums over stretches', () => {
    const slow = { ...LOAD, wireBytes: 1e6, encode: 0.001 };
    const loads = [LOAD, slow];
    const on = route({ linkRate: 1e8 });
    const together = predict(loads, ONE, on);
    assert.ok(Math.abs(2e7 / together.guestRate - (10 * 0.01 + 10 * 0.01)) < 1e-9);
  });

  it('is never faster with fewer CPUs, threads or bandwidth', () => {
    const positive = fc.double({ min: 1e-6, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        positive,
        positive,
        positive,
        fc.integer({ min: 1, max: 8 }),
        (encode, decode, wire, cpus) => {
          const load = { ...LOAD, encode, decode, wireBytes: wire * 1e6 };
          const scaling = [
            { threads: 1, speedup: 1 },
            { threads: 8, speedup: 6 },
          ];
          const at = (linkRate: number, threads: number): number =>
            predict(
              [load],
              { compress: threads, decompress: threads },
              {
                sender: host(cpus, { scaling }),
                receiver: host(cpus, { scaling }),
                linkRate,
                startUp: 0.1,
              },
            ).seconds;
          assert.ok(at(1e6, cpus) >= at(1e7, cpus) - 1e-12);
          assert.ok(at(Infinity, 1) >= at(Infinity, cpus) - 1e-12);
          assert.ok(at(1e7, cpus) > 0.1);
        },
      ),
    );
  });

  it('does not use threads that the pace of a slow link leaves idle', () => {
    // A chunk takes a second on the link: one is under way, whatever the number of threads.
    const load = { ...LOAD, encode: 1.5, wireBytes: 1e6 };
    const scaling = [
      { threads: 1, speedup: 1 },
      { threads: 4, speedup: 4 },
    ];
    const on = route({ sender: host(4, { scaling }), linkRate: 1e6 });
    assert.ok(Math.abs(flow(load, on, { compress: 4, decompress: 1 }) - 15) < 1e-9);
  });

  it('adds up the work of both sides where they share the processors', () => {
    const one = { cpus: 1, scaling: [{ threads: 1, speedup: 1 }], perGuestByte: 1e-9 };
    const work = LOAD.encode + LOAD.decode + LOAD.guestBytes * 1e-9;
    assert.ok(Math.abs(flow(LOAD, route({ together: one })) - work * 10) < 1e-9);
    const two = { ...one, cpus: 2, scaling: [...one.scaling, { threads: 2, speedup: 2 }] };
    assert.ok(Math.abs(flow(LOAD, route({ together: two })) - 0.1) < 1e-9, 'compression alone takes longer');
    assert.ok(Math.abs(flow(LOAD, route({ together: one, linkRate: 1e6 })) - 2) < 1e-9, 'the link does');
  });

  it('marks predictions for more threads than were measured', () => {
    const scaling = [
      { threads: 1, speedup: 1 },
      { threads: 2, speedup: 1.8 },
    ];
    assert.deepEqual(speedup(scaling, 2), { factor: 1.8, measured: true });
    const eight = speedup(scaling, 8);
    assert.equal(eight.measured, false);
    assert.ok(eight.factor > 1.8 && eight.factor < 7.2, String(eight.factor));
    const on = route({ sender: host(8, { scaling }) });
    assert.equal(predict([LOAD], { compress: 8, decompress: 1 }, on).extrapolated, true);
    assert.equal(predict([LOAD], { compress: 2, decompress: 1 }, on).extrapolated, false);
  });
});
