// The options file of `serve --config`: what it sets, and how a wrong line is reported.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { type FileOptions, readOptionsFile } from '../../../src/cli/settings/options-file.js';
import { RamferryError } from '../../../src/errors.js';
import { workplace } from '../../transfer/support/carry.js';

const place = workplace();
const read = (text: string): FileOptions =>
  readOptionsFile(place.file('serve.conf', Buffer.from(text)), 'serve');

describe('readOptionsFile', () => {
  it('reads options by their names on the command line', () => {
    const text =
      '# a server\n\nlisten = tcp:127.0.0.1:4444\nmax-transfers=8\nguest = a\nguest = b\n  self-check = yes\n';
    assert.deepEqual(read(text).options, {
      listen: 'tcp:127.0.0.1:4444',
      maxTransfers: 8,
      guest: ['a', 'b'],
      selfCheck: true,
    });
  });

  it('keeps log and metrics apart, which are options of the command line', () => {
    const text = 'metrics = /m/ramferry.prom\nmetrics-listen = 127.0.0.1:9639\nlog-file = /l\n';
    const commandLine = { metrics: '/m/ramferry.prom', metricsListen: '127.0.0.1:9639', logFile: '/l' };
    assert.deepEqual(read(text), { options: {}, commandLine });
  });

  for (const [text, message] of [
    ['listen = a\nlissten = b', /line 2 sets lissten/],
    ['listen', /line 1 is not understood/],
    ['listen =', /line 1 is not understood/],
    ['listen = a\nlisten = b', /line 2 sets listen a second time/],
    ['max-transfers = many', /max-transfers .*line 1/],
    ['metrics = a\nmetrics = b', /line 2 sets metrics a second time/],
    ['json = yes', /line 1 sets json, which is no option/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => read(text),
        (thrown) =>
          thrown instanceof RamferryError &&
          thrown.code === 'ERR_OPTION_INVALID' &&
          message.test(thrown.message),
      );
    });
  }

  it('refuses a file that cannot be read', () => {
    assert.throws(() => readOptionsFile('/nowhere/serve.conf', 'serve'), /nowhere.* cannot be read/);
  });
});
