import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Measurements, REFERENCE } from '../../../src/tune/measure/measurements.js';
import type { Route } from '../../../src/tune/model/model.js';
import {
  type Confidence,
  confidence,
  paysUpTo,
  reasonsToWithhold,
  recommended,
  Table,
  threadSteps,
} from '../../../src/tune/advice/recommend.js';
import type { Coding, RegionFigures } from '../../../src/tune/measure/codec-rig.js';
import { MIB } from '../../../src/units.js';

const REGIONS = [0, 1, 2, 3].map((index) => ({ weight: 2, offset: index * 4 * MIB, length: 4 * MIB }));

function figures(ratio: number, encode: number, decode = encode / 3): RegionFigures {
  const pages = { zero: 0, duplicate: 0, literal: 1024 };
  return { guestBytes: 4 * MIB, wireBytes: (4 * MIB) / ratio, chunks: 4, encode, decode, pages };
}

const NONE: Coding = { codec: 'none', level: 1, chunkSize: MIB };
const NINE: Coding = { codec: 'zstd', level: 9, chunkSize: MIB };
const LZ4: Coding = { codec: 'lz4', level: 1, chunkSize: MIB };

function measurements(): Measurements {
  const filled = new Measurements(REGIONS);
  const all = (each: RegionFigures): RegionFigures[] => REGIONS.map(() => each);
  filled.add(REFERENCE, 0, all(figures(6, 0.004)));
  filled.add(NONE, 0, all(figures(1, 0.001)));
  filled.add(LZ4, 0, all(figures(4, 0.0035)));
  // Tried on the first region only.
  filled.add(NINE, 0, [figures(8, 0.02)]);
  return filled;
}

function route(linkRate: number, cpus = 1): Route {
  const scaling = [
    { threads: 1, speedup: 1 },
    { threads: 4, speedup: 4 },
  ];
  const host = { cpus, main: { perWireByte: 0, perChunk: 0, perGuestByte: 0 }, scaling };
  return { sender: host, receiver: host, linkRate, startUp: 0 };
}

describe('Measurements', () => {
  it('estimates the regions that a coding was not measured on', () => {
    const loads = measurements().stretches(NINE);
    assert.equal(loads.length, 4);
    for (const load of loads) {
      assert.ok(Math.abs(load.wireBytes - (4 * MIB) / 8) < 1);
      assert.ok(Math.abs(load.encode - 0.02) < 1e-9);
    }
  });

  it('compares empty memory only with empty memory', () => {
    const filled = new Measurements(REGIONS);
    const pages = { zero: 1024, duplicate: 0, literal: 0 };
    const empty: RegionFigures = { ...figures(1000, 0.001), pages };
    filled.add(REFERENCE, 0, [figures(6, 0.004), empty, figures(6, 0.004), empty]);
    filled.add(NINE, 0, [figures(8, 0.04)]);
    const [, second, third] = filled.stretches(NINE);
    assert.ok(Math.abs(third!.encode - 0.04) < 1e-9);
    assert.ok(Math.abs(second!.encode - 0.001) < 1e-9, 'no codec has anything to do there');
    filled.add(NINE, 1, [{ ...empty, encode: 0.0015 }]);
    assert.ok(Math.abs(filled.stretches(NINE)[3]!.encode - 0.0015) < 1e-9);
    assert.ok(Math.abs(filled.stretches(NINE)[2]!.encode - 0.04) < 1e-9);
  });

  it('uses the median of repetitions', () => {
    const filled = measurements();
    for (const encode of [0.003, 0.0005, 0.5, 0.004]) filled.add(NONE, 0, [figures(1, encode, 2 * encode)]);
    const [load] = filled.stretches(NONE);
    assert.equal(load!.encode, 0.003);
    assert.equal(load!.decode, 0.006);
    assert.ok(filled.spread('none')! > 0);
    assert.equal(filled.spread('lz4'), undefined);
  });
});

describe('recommended', () => {
  it('follows the link rate', () => {
    const table = new Table(measurements());
    const codec = (rate: number): string => {
      const { settings } = recommended(table.choices(route(rate)));
      return `${settings.codec} ${settings.level}`;
    };
    assert.equal(codec(1e6), 'zstd 9');
    assert.equal(codec(2e8), 'zstd 1');
    assert.equal(codec(Infinity), 'none 1');
  });

  it('takes the fewest threads, within 2 % of the best', () => {
    const table = new Table(measurements());
    const slow = recommended(table.choices(route(5e5, 4)));
    assert.deepEqual(slow.settings.threads, { compress: 1, decompress: 1 });
    const fast = recommended(table.choices(route(2e9, 4), ({ codec }) => codec === 'zstd'));
    assert.ok(fast.settings.threads.compress > 1);
    const best = table.best(route(2e9, 4), ({ codec }) => codec === 'zstd');
    assert.ok(fast.prediction.seconds <= best * 1.021);
  });

  it('takes the least processor time, of equally fast codings', () => {
    const filled = measurements();
    filled.add({ ...NINE, level: 12 }, 0, [figures(8.05, 0.06)]);
    const table = new Table(filled);
    const { settings } = recommended(table.choices(route(1e6)));
    assert.equal(settings.level, 9, 'level 12 gains 0.6 % and takes three times the processor time');
  });

  it('finds the bandwidth above which a codec stops paying', () => {
    const table = new Table(measurements());
    const rate = paysUpTo(table, 'zstd', route(1));
    assert.ok(
      table.best(route(rate * 0.9), ({ codec }) => codec === 'zstd') <
        table.best(route(rate * 0.9), ({ codec }) => codec === 'none'),
    );
    assert.ok(
      table.best(route(rate * 1.1), ({ codec }) => codec === 'zstd') >
        table.best(route(rate * 1.1), ({ codec }) => codec === 'none'),
    );
    assert.equal(paysUpTo(table, 'zlib', route(1)), 0);
  });

  it('steps through all small numbers of threads and the largest', () => {
    assert.deepEqual(threadSteps(1), [1]);
    assert.deepEqual(threadSteps(3), [1, 2, 3]);
    assert.deepEqual(threadSteps(20), [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20]);
  });
});

describe('confidence', () => {
  const sure = { regionSeconds: [1, 1, 1, 1], whole: false, spread: 0.02, extrapolated: false, measured: 1 };

  it('is high where nothing varies, and gives reasons otherwise', () => {
    assert.equal(confidence(sure).level, 'high');
    assert.deepEqual(confidence(sure).reasons, []);
    const uneven = confidence({ ...sure, regionSeconds: [0, 5, 0, 1] });
    assert.equal(uneven.level, 'low');
    assert.match(uneven.reasons.join(), /differs from place to place/);
    assert.equal(confidence({ ...sure, regionSeconds: [0, 5, 0, 1], whole: true }).level, 'high');
    const strata = { ...sure, regionSeconds: [9, 9, 1, 1], empty: [true, true, false, false] };
    assert.equal(confidence(strata).level, 'high', 'the two kinds of memory are known apart');
    assert.equal(confidence({ ...sure, extrapolated: true }).level, 'medium');
    assert.equal(confidence({ ...sure, measured: 0.01 }).level, 'low');
    assert.match(confidence({ ...sure, spread: 0.2 }).reasons.join(), /busy/);
  });
});

describe('reasonsToWithhold', () => {
  const sure: Confidence = { level: 'high', error: 0.04, reasons: [] };
  const quiet = { busy: false, confidence: sure, spread: 0.02, codings: 12, engine: true };

  it('finds none, on a quiet host or where figures repeat', () => {
    assert.deepEqual(reasonsToWithhold(quiet), []);
    assert.deepEqual(reasonsToWithhold({ ...quiet, busy: true }), []);
    assert.deepEqual(reasonsToWithhold({ ...quiet, spread: undefined }), []);
  });

  it('names what is missing', () => {
    const cases: [Partial<typeof quiet> | { spread: undefined; busy: boolean }, RegExp][] = [
      [{ codings: 2 }, /^only 2 settings could be measured$/],
      [{ engine: false }, /^the engine's own cost/],
      [{ confidence: { ...sure, error: 8.61 } }, /^the prediction is off by up to 861 %$/],
      [{ confidence: { ...sure, error: 0.3 }, busy: true }, /off by 30 % on a busy host/],
      [{ spread: undefined, busy: true }, /no measurement could be repeated/],
    ];
    for (const [change, words] of cases) {
      const [reason, ...others] = reasonsToWithhold({ ...quiet, ...change });
      assert.match(reason ?? '', words);
      assert.deepEqual(others, []);
    }
  });
});
