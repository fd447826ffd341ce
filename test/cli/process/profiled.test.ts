// A process that is profiled keeps its profile.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { isProfiled } from '../../../src/cli/process/profiled.js';

describe('isProfiled', () => {
  for (const [execArgv, environment, expected] of [
    [[], {}, false],
    [['--expose-gc'], { NODE_OPTIONS: '--max-old-space-size=64' }, false],
    [['--cpu-prof'], {}, true],
    [['--heap-prof', '--heap-prof-dir=x'], {}, true],
    [[], { NODE_OPTIONS: '--enable-source-maps --cpu-prof' }, true],
    [[], { NODE_V8_COVERAGE: 'x' }, true],
  ] as const) {
    it(`is ${expected}, ${execArgv.join(' ')} ${JSON.stringify(environment)}`, () => {
      assert.equal(isProfiled(execArgv, environment), expected);
    });
  }
});
