// That the policy's constants can be replaced, and that the simulation shows what a replaced one does.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { constants, policyWith, valueOf } from '../../../lab/adaptive/sensitivity.js';
import { LINKS, play, type Scenario } from '../../../lab/adaptive/scenarios.js';
import { POLICY } from '../../../src/transfer/adaptive/policy.js';

const SCENARIO: Scenario = {
  name: 'short',
  world: { link: LINKS['100 Mbit/s'] },
  phases: [{ milliseconds: 1_000, counts: true }],
};

describe('policy', () => {
  it('lists every constant once, all of them positive numbers', () => {
    const names = constants().map(({ group, name }) => `${group}.${name}`);
    assert.equal(new Set(names).size, names.length);
    for (const path of constants()) assert.ok(valueOf(path) > 0, path.name);
  });

  it('leaves the simulation as it is where the values are the same', () => {
    assert.deepEqual(play(SCENARIO, { policy: POLICY }), play(SCENARIO));
  });

  it('changes the outcome where a value differs', () => {
    const policy = policyWith({ group: 'interval', name: 'shortestMs' }, 100);
    assert.notDeepEqual(play(SCENARIO, { policy }), play(SCENARIO));
  });
});
