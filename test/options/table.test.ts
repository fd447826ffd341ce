// The table of options: its names, defaults and limits, and their agreement with help, features and schemas.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import yargs from 'yargs';

import { offerOptions } from '../../src/cli/settings/options.js';
import { COMMANDS, type CommandName } from '../../src/options/commands.js';
import { defaultText, flagText, limitsText } from '../../src/options/help.js';
import { environmentName } from '../../src/options/names.js';
import { optionSchema } from '../../src/options/schema.js';
import { type Option, OPTIONS, optionsOf } from '../../src/options/table.js';
import { features } from '../../src/transfer/features.js';
import { REGION_BYTES } from '../../src/tune/measure/region.js';
import { readText } from '../../src/cli/settings/environment.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;
const commands = Object.keys(COMMANDS) as CommandName[];
const helpOf = (command: CommandName): Promise<string> =>
  offerOptions(yargs([]).scriptName('ramferry').version(false).help(false).wrap(200), command).getHelp();

/** Values at the ends of a range, and 1 and 4096 beyond them: some options accept multiples of a page only. */
function probes({ kind, name }: Option): { inside: number[]; outside: number[] } {
  const { min, max } = kind.range!;
  const steps = name === 'maxCpu' ? [0.01] : [1, 4096];
  const outside = steps.flatMap((step) => [min - step, max + step]);
  return { inside: [min, max], outside: outside.filter((value) => Math.abs(value) < UNLIMITED) };
}

describe('table of options', () => {
  it('lists each option of a command once', () => {
    for (const command of commands) {
      const names = optionsOf(command).map(({ name }) => name);
      assert.deepEqual(names, [...new Set(names)], command);
    }
  });

  it('contains every excluded option', () => {
    for (const { name, commands: own, excludes } of OPTIONS) {
      for (const command of own) {
        const names = optionsOf(command).map((option) => option.name);
        for (const other of excludes?.names ?? []) assert.ok(names.includes(other), `${name} of ${command}`);
      }
    }
  });

  it('gives each option its own environment variable', () => {
    const variables = OPTIONS.filter(({ environment }) => environment === true).map(({ name }) => name);
    const written = new Set(variables.map(environmentName));
    assert.equal(written.size, new Set(variables).size);
  });

  it('limits bench chunks to the size of a region', () => {
    const { kind } = OPTIONS.find(({ name }) => name === 'chunkSizes')!;
    assert.equal(kind.range!.max, REGION_BYTES);
  });
});

describe('limits of options', () => {
  for (const option of OPTIONS.filter(({ kind }) => kind.range !== undefined)) {
    it(`equal those of the schema, ${option.name} of ${option.commands.join(', ')}`, () => {
      const { inside, outside } = probes(option);
      const schema = optionSchema(option);
      const isList = option.kind.reading === 'numbers' || option.kind.reading === 'list';
      const passes = (value: number): boolean => {
        try {
          return schema.safeParse(isList ? [value] : value).success;
        } catch {
          return false;
        }
      };
      for (const value of inside) assert.ok(passes(value), `${value} is refused`);
      for (const value of outside) assert.ok(!passes(value), `${value} is taken`);
    });
  }

  it('equal those of features(), each name once', () => {
    const { limits } = features();
    for (const [name, range] of Object.entries(limits)) {
      for (const command of ['send', 'receive'] as const) {
        const option = optionsOf(command).find((each) => each.name === name);
        if (option !== undefined) assert.deepEqual(range, option.kind.range, name);
      }
    }
    for (const name of ['receivedChunk', 'reorderWindow', 'threads', 'timeout'])
      assert.ok(!optionsOf('send').some((option) => option.name === name), name);
    for (const command of ['send', 'receive'] as const) {
      for (const { name, kind } of optionsOf(command)) assert.deepEqual(limits[name], kind.range, name);
    }
  });
});

describe('help of a command', () => {
  for (const command of commands) {
    it(`shows each option with the limits and the default of its schema, ${command}`, async () => {
      const help = await helpOf(command);
      for (const option of optionsOf(command).filter(({ positional }) => positional === undefined)) {
        const [, entry] =
          new RegExp(`\\n +(?:-., )?${flagText(option)}(?:, --[a-z-]+)? ([^]*?)(?=\\n +(?:-., )?--|$)`).exec(
            help,
          ) ?? [];
        assert.ok(entry !== undefined, flagText(option));
        const limits = limitsText(option);
        if (limits !== undefined) assert.ok(entry.includes(`(${limits})`), `${option.name}: ${entry}`);
        const [, shown] = /\[default: (.*?)\]/.exec(entry) ?? [];
        assert.equal(shown, defaultText(option), option.name);
        if (shown === undefined || option.defaultText !== undefined) continue;
        const filled = option.required === true ? undefined : optionSchema(option).parse(undefined);
        const value = optionSchema(option).parse(readText(shown, option.kind.reading, option.name));
        assert.deepEqual(value, filled ?? option.usual, option.name);
      }
    });
  }

  it('describes a calculated default', () => {
    for (const option of OPTIONS)
      if (typeof option.default === 'function') assert.ok(option.defaultText !== undefined, option.name);
  });
});
