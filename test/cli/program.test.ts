// The private methods of yargs on which the command line relies.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import yargs from 'yargs';

import { skipHelpLayout } from '../../src/cli/program.js';

describe('skipHelpLayout', () => {
  it('finds the private method of yargs that it replaces', () => {
    assert.ok(
      skipHelpLayout(yargs([])),
      'yargs has changed: measure the start-up time without skipHelpLayout',
    );
  });

  it('keeps yargs from formatting help, command runs', async () => {
    const parser = yargs(['run'])
      .exitProcess(false)
      .command('run', 'runs', {}, () => undefined);
    const usage = (
      parser as unknown as {
        getInternalMethods(): { getUsageInstance(): { help(): string; cacheHelpMessage(): void } };
      }
    )
      .getInternalMethods()
      .getUsageInstance();
    let laidOut = 0;
    const help = usage.help.bind(usage);
    usage.help = () => {
      laidOut += 1;
      return help();
    };
    skipHelpLayout(parser);
    await parser.parseAsync();
    assert.equal(laidOut, 0);
  });
});
