// Foreign text on a terminal.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { visible } from '../../src/report/visible.js';

describe('visible', () => {
  const cases: [what: string, text: string, shown: string][] = [
    ['a forged line', 'no\nramferry: completed', 'no\\nramferry: completed'],
    ['an escape sequence', '\x1b[2K\rdone', '\\x1b[2K\\x0ddone'],
    ['a C1 control', 'a\x9b1mb', 'a\\x9b1mb'],
    ['text that turns its direction', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
    ['a line separator', 'a\u2028b', 'a\\u2028b'],
    ['plain text in any language', 'größer – 大きい', 'größer – 大きい'],
  ];
  for (const [what, text, shown] of cases) {
    it(`shows ${what}`, () => assert.equal(visible(text), shown));
  }
});
