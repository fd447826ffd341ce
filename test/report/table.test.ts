// Tables that are wider than the terminal.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { paragraph, sideBySide, textTable } from '../../src/report/table.js';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('textTable', () => {
  it('has lines, table that fits', () => {
    assert.match(textTable(['a', 'b'], [['x', 1]]), /^┌─+┬─+┐\n│ a │ b │\n│ x │ 1 │\n└─+┴─+┘$/);
  });

  it('wraps titles and long texts, and keeps figures whole', () => {
    const text = textTable(
      ['guest', 'guest bytes', 'reason'],
      [['web1', '512.0 MiB', 'the link was closed before the end of the stream']],
      [0, 2],
      40,
    );
    assert.deepEqual(text.split('\n'), [
      'guest  guest bytes  reason',
      'web1     512.0 MiB  the link was closed',
      '                    before the end of',
      '                    the stream',
    ]);
  });

  it('is split with the naming column in each part, figures that do not fit', () => {
    const head = ['name', ...Array.from({ length: 12 }, (_, index) => `figure${index}`)];
    const text = textTable(head, [['first', ...head.slice(1).map((_, index) => index * 1e6)]], [0], 60);
    assert.ok(widest(text) <= 60, text);
    assert.equal(text.split('\n\n').length, 3);
    for (const part of text.split('\n\n')) assert.match(part, /^name .*\nfirst /);
    for (const title of head) assert.ok(text.includes(title), title);
  });

  it('repeats all columns that name a row, split', () => {
    const head = ['codec', 'level', ...Array.from({ length: 6 }, (_, index) => `figure${index}`)];
    const text = textTable(head, [['zstd', 3, ...Array<number>(6).fill(1e6)]], [0], 40, 2);
    for (const part of text.split('\n\n')) assert.match(part, /^codec +level .*\nzstd +3 /);
  });

  it('has narrower gaps, where that saves splitting', () => {
    assert.deepEqual(textTable(['aaa', 'bbb', 'ccc'], [['x', 1, 2]], [0], 11).split('\n'), [
      'aaa bbb ccc',
      'x     1   2',
    ]);
  });

  it('cuts words that are longer than a column', () => {
    assert.ok(widest(textTable(['a', 'b'], [['x', 'y'.repeat(300)]], [0, 1], 80)) <= 80);
  });
});

describe('paragraph', () => {
  it('breaks at blanks, and words that are longer than the line', () => {
    assert.equal(paragraph('one line', 80), 'one line');
    assert.deepEqual(paragraph('a long text of words', 8).split('\n'), ['a long', 'text of', 'words']);
    assert.equal(paragraph('abc', 0), 'a\nb\nc');
  });
});

describe('sideBySide', () => {
  it('fits the terminal, reasons of switches', () => {
    const reason =
      '812 ms: zstd 1 -> zstd 3: the link limits, and a smaller stream is faster (link 118.0 MB/s)';
    const rows = [
      ['total time', '1833 ms'],
      ['switch', reason],
    ] as const;
    const text = sideBySide([
      { title: 'none', rows },
      { title: 'adaptive', rows },
    ]);
    assert.ok(widest(text) <= 80, text);
    assert.ok(text.replace(/\s+/g, ' ').includes('1833 ms'));
  });
});
