// What earlier transfers have measured: how long it is believed, how much is kept, and what its text may look like.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { History, MOST_CODECS, MOST_LINKS } from '../../../../src/transfer/adaptive/history/history.js';
import {
  formatHistory,
  LONGEST_TEXT,
  parseHistory,
} from '../../../../src/transfer/adaptive/history/history-text.js';
import type { LearnedCosts } from '../../../../src/transfer/adaptive/history/prior.js';

const DAY_MS = 86_400_000;
const COSTS: LearnedCosts = { codecNs: 1, size: 0.2, aroundNs: 0.3, mainNsPerChunk: 5e4, mainNsPerByte: 0.2 };
const LINK = { rate: 125e6, limited: true };
const KEY = { codec: 'zstd zstd-napi', peer: 'tcp host' };
const NOW = 1.8e12;

/** A history with a clock to be set. */
function at(now = NOW): { readonly history: History; readonly clock: { now: number } } {
  const clock = { now };
  return { history: new History(() => clock.now), clock };
}

describe('History', () => {
  it('guesses nothing before the first transfer', () => {
    assert.deepEqual(at().history.guess(KEY), {});
  });

  it('guesses what a transfer has recorded, for this peer alone', () => {
    const { history } = at();
    history.record(KEY, { link: LINK, costs: COSTS });
    assert.deepEqual(history.guess(KEY), { link: LINK, costs: { ...COSTS, chunks: 16 } });
    const other = history.guess({ ...KEY, peer: 'tcp other' });
    assert.deepEqual(Object.keys(other), ['costs'], "the host's costs hold for every peer");
    assert.deepEqual(history.guess({ codec: 'lz4 lz4-napi', peer: 'tcp host' }), { link: LINK });
    assert.equal(history.guess({ codec: KEY.codec }).link, undefined);
  });

  it('believes old costs less, and neither them nor a link for ever', () => {
    const { history, clock } = at();
    history.record(KEY, { link: LINK, costs: COSTS });
    clock.now += 7 * DAY_MS;
    assert.ok(Math.abs(history.guess(KEY).costs!.chunks - 8) < 0.01);
    assert.deepEqual(history.guess(KEY).link, LINK);
    clock.now += DAY_MS;
    assert.equal(history.guess(KEY).link, undefined);
    clock.now += 21 * DAY_MS;
    assert.deepEqual(history.guess(KEY), {});
  });

  it('takes up half of what costs differ, and the last rate of a link', () => {
    const { history } = at();
    history.record(KEY, { link: LINK, costs: COSTS });
    history.record(KEY, { link: { rate: 1e6, limited: false }, costs: { ...COSTS, codecNs: 4 } });
    assert.equal(history.guess(KEY).costs!.codecNs, 2);
    assert.deepEqual(history.guess(KEY).link, { rate: 1e6, limited: false });
  });

  it('believes nothing from the future, after the clock was set back', () => {
    const { history, clock } = at();
    history.record(KEY, { link: LINK, costs: COSTS });
    clock.now -= 60_000;
    assert.deepEqual(history.guess(KEY).link, LINK, 'a minute is no matter');
    clock.now -= DAY_MS;
    assert.deepEqual(history.guess(KEY), {});
    history.record(KEY, { costs: { ...COSTS, codecNs: 4 } });
    assert.equal(history.guess(KEY).costs!.codecNs, 4, 'new figures replace them');
  });

  it('keeps a limited number of entries, the latest ones', () => {
    const { history, clock } = at();
    for (let i = 0; i < 200; i++) {
      clock.now++;
      history.record({ codec: `codec ${i}`, peer: `tcp ${i}` }, { link: LINK, costs: COSTS });
    }
    assert.deepEqual([history.links.size, history.costs.size], [MOST_LINKS, MOST_CODECS]);
    assert.deepEqual(history.guess({ codec: 'codec 199', peer: 'tcp 199' }).link, LINK);
    assert.deepEqual(history.guess({ codec: 'codec 0', peer: 'tcp 0' }), {});
  });
});

const figure = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
const recorded = fc.record({
  codec: fc.constantFrom('zstd zstd-napi', 'zstd @mongodb-js/zstd', 'lz4 lz4-napi'),
  peer: fc.option(fc.string(), { nil: undefined }),
  link: fc.option(fc.record({ rate: figure(1e3, 1e12), limited: fc.boolean() }), { nil: undefined }),
  costs: fc.option(
    fc.record({
      codecNs: figure(0.01, 1e4),
      size: figure(1e-3, 1),
      aroundNs: figure(1e-3, 1e4),
      mainNsPerChunk: figure(1, 1e9),
      mainNsPerByte: figure(1e-6, 1e4),
    }),
    { nil: undefined },
  ),
});

/** A history with entries, as text. */
function text(): string {
  const { history } = at();
  history.record(KEY, { link: LINK, costs: COSTS });
  history.record({ ...KEY, peer: 'tcp other' }, { link: { rate: 1e9, limited: false } });
  return formatHistory(history);
}

const now = (): number => NOW;

describe('the text of a history', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(recorded, { maxLength: 20 }), (records) => {
        const history = new History(now);
        for (const { codec, peer, ...learned } of records) history.record({ codec, peer }, learned);
        const parsed = parseHistory(formatHistory(history), now)!;
        for (const { codec, peer } of records) {
          assert.deepEqual(parsed.guess({ codec, peer }), history.guess({ codec, peer }));
        }
      }),
    );
  });

  it('is within its bound when it is full', () => {
    const history = new History(now);
    for (let i = 0; i < 100; i++) {
      const third = 1 / 3 + i;
      const costs = {
        codecNs: third,
        size: 1 / (3 + i),
        aroundNs: third,
        mainNsPerChunk: third,
        mainNsPerByte: third,
      };
      history.record(
        { codec: `${'c'.repeat(40)} ${'b'.repeat(77)}${i}`, peer: String(i) },
        { costs, link: { rate: 1e6 / 3, limited: true } },
      );
    }
    assert.equal(parseHistory(formatHistory(history), now)!.links.size, MOST_LINKS);
    assert.ok(formatHistory(history).length < LONGEST_TEXT / 2);
  });

  it('is an empty history, whatever else stands there', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (garbage) => {
        const parsed = parseHistory(garbage, now);
        assert.deepEqual(parsed?.guess(KEY), {});
      }),
    );
  });

  it('is an empty history where it is cut off, and never an error', () => {
    const whole = text();
    for (let length = 0; length < whole.length - 2; length++) {
      assert.deepEqual(parseHistory(whole.slice(0, length), now)!.guess(KEY), {});
    }
  });

  it('loses no more than the damaged entries', () => {
    const parsed = JSON.parse(text()) as { codecs: Record<string, Record<string, unknown>>; links: object };
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(parsed.codecs[KEY.codec]!)),
        fc.oneof(fc.constantFrom(0, -1, 1e300, null, 'x', [], {}), fc.string()),
        (name, value) => {
          const damaged = structuredClone(parsed);
          damaged.codecs[KEY.codec]![name] = value;
          const guess = parseHistory(JSON.stringify(damaged), now)!.guess(KEY);
          // An age of a few milliseconds since 1970 is a valid one, and too old.
          assert.deepEqual(guess, { link: LINK });
        },
      ),
    );
    const odd = {
      ...parsed,
      links: { ...parsed.links, __proto__: 1, 'not a peer': LINK, constructor: LINK },
    };
    assert.deepEqual(parseHistory(JSON.stringify(odd), now)!.guess(KEY).link, LINK);
  });

  it('of a later version is left alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2 }), fc.dictionary(fc.string(), fc.jsonValue()), (version, rest) => {
        assert.equal(parseHistory(JSON.stringify({ ...rest, version }), now), undefined);
      }),
    );
  });

  it('is not read beyond its bound', () => {
    assert.deepEqual(parseHistory(text().padEnd(LONGEST_TEXT + 1), now)!.guess(KEY), {});
  });
});
