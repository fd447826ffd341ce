// Questions between processes and their answers: in any order, late, twice, or never.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Questions } from '../../../src/serve/shards/questions.js';

describe('Questions', () => {
  it('gives each question its own answer, in any order, and once', async () => {
    const questions = new Questions<string>();
    const sent: number[] = [];
    const answers = [1, 2].map(() => questions.ask((request) => sent.push(request)));
    questions.answer(sent[1]!, 'second');
    questions.answer(sent[1]!, 'again');
    questions.answer(sent[0]!, 'first');
    questions.answer(99, 'nobody asked');
    assert.deepEqual(await Promise.all(answers), ['first', 'second']);
  });

  it('answers for a process that says nothing in time, or is gone', async () => {
    const questions = new Questions<string>();
    let late = 0;
    const inTime = questions.ask((request) => (late = request), { milliseconds: 5, answer: 'none' });
    assert.equal(await inTime, 'none');
    questions.answer(late, 'too late');
    const open = [1, 2].map(() => questions.ask(() => undefined));
    questions.answerAll('gone');
    assert.deepEqual(await Promise.all(open), ['gone', 'gone']);
  });
});
