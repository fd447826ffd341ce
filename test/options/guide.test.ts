// The usual options and examples of each command: they exist, and the examples are read as they are meant.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { CommandName } from '../../src/options/commands.js';
import { GUIDE, MOST_USUAL } from '../../src/options/guide.js';
import { optionsOf } from '../../src/options/table.js';

describe('GUIDE', () => {
  for (const [command, { usual, examples }] of Object.entries(GUIDE)) {
    it(`names options of ${command}, and has an example`, () => {
      const names = new Set(optionsOf(command as CommandName).map(({ name }) => name));
      assert.deepEqual(
        usual.filter((name) => !names.has(name)),
        [],
      );
      assert.ok(usual.length > 0 && usual.length <= MOST_USUAL);
      assert.ok(examples.length > 0);
      for (const { line } of examples) assert.ok(line.startsWith(command), line);
    });
  }
});
