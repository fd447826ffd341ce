import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import type { Command, ParsedArguments } from '../../../src/cli/command.js';
import { receive } from '../../../src/cli/commands/receive.js';
import { send } from '../../../src/cli/commands/send.js';
import { givenOptions } from '../../../src/cli/settings/options.js';
import { plainArguments } from '../../../src/cli/settings/plain-arguments.js';
import { createParser } from '../../../src/cli/program.js';
import { COMMANDS } from '../../../src/options/commands.js';
import { optionsOf } from '../../../src/options/table.js';
import { kebabCase } from '../../../src/units.js';

const RUNS = 120;

type Name = 'send' | 'receive';
const commands: Readonly<Record<Name, Command>> = { send, receive };

/** What the command gets from yargs; rejects with what yargs refuses. */
async function parsedByYargs(name: Name, args: readonly string[]): Promise<ParsedArguments> {
  let seen: ParsedArguments | undefined;
  const { usage, summary } = COMMANDS[name];
  await createParser([name, ...args])
    .command(
      usage,
      summary,
      (parser) => commands[name].build(parser),
      (parsed) => {
        seen = parsed;
      },
    )
    .parseAsync();
  assert.ok(seen !== undefined, 'the command runs');
  return seen;
}

/** What a command reads of its arguments; an error that the reading throws counts as what it read. */
function read(name: Name, parsed: ParsedArguments): unknown {
  const own = optionsOf(name).filter(({ commandLineOnly }) => commandLineOnly === true);
  const switches = Object.fromEntries(own.map((option) => [option.name, parsed[option.name]]));
  try {
    return { ...switches, given: givenOptions(parsed, name) };
  } catch (thrown) {
    return { ...switches, given: String(thrown) };
  }
}

const values = fc.oneof(
  fc.constantFrom('0', '1', '-1', '0x10', '1e3', '1MiB', 'zstd', 'on', 'off', 'yes', 'true', 'false', 'a,b'),
  fc.constantFrom(
    '',
    ' ',
    '-',
    '--',
    '---',
    '-x',
    "'a'",
    '"a',
    'a=b',
    '=',
    'é',
    'a b',
    './-q',
    'constructor',
  ),
  fc.string({ maxLength: 4 }),
);

function arguments_(name: Name): fc.Arbitrary<string[]> {
  const options = optionsOf(name).filter(({ positional }) => positional === undefined);
  const flags = fc.constantFrom(
    ...options.map((option) => `--${kebabCase(option.name)}`),
    ...options.filter(({ kind }) => kind.isSwitch === true).map(({ name }) => `--no-${kebabCase(name)}`),
    ...options.flatMap(({ alias }) => (alias === undefined ? [] : [`-${alias}`])),
  );
  const others = fc.constantFrom(
    '--help',
    '-h',
    '--version',
    '--no-json',
    '--compressLevel',
    '--',
    '-',
    '-c',
    '-qc',
  );
  const pair = fc.tuple(flags, values);
  const token = fc.oneof(
    { weight: 4, arbitrary: pair.map(([flag, value]) => [flag, value]) },
    { weight: 2, arbitrary: pair.map(([flag, value]) => [`${flag}=${value}`]) },
    { weight: 2, arbitrary: flags.map((flag) => [flag]) },
    { weight: 3, arbitrary: values.map((value) => [value]) },
    { weight: 1, arbitrary: others.map((other) => [other]) },
  );
  return fc.array(token, { maxLength: 4 }).map((tokens) => tokens.flat());
}

describe('plainArguments', () => {
  for (const name of ['send', 'receive'] as const) {
    it(`reads what yargs reads, or leaves it to yargs: ${name}`, async () => {
      let plain = 0;
      await fc.assert(
        fc.asyncProperty(arguments_(name), async (args) => {
          const parsed = plainArguments(args, name);
          if (parsed === undefined) return;
          plain++;
          assert.deepEqual(read(name, parsed), read(name, await parsedByYargs(name, args)));
        }),
        { numRuns: RUNS },
      );
      assert.ok(plain > RUNS / 10, `${plain} of the arguments were plain`);
    });

    it(`reads every option of ${name} with a value`, () => {
      for (const { name: option, kind, positional } of optionsOf(name)) {
        if (positional !== undefined) continue;
        const args = kind.isSwitch === true ? [`--${kebabCase(option)}`] : [`--${kebabCase(option)}`, '1'];
        assert.ok(plainArguments(['in', 'out', ...args], name)?.[option] !== undefined, option);
      }
    });
  }

  it('reads a switch that is turned off', () => {
    assert.equal(plainArguments(['--no-adaptive'], 'send')?.['adaptive'], false);
  });

  it('leaves help, mistakes and repetitions to yargs', () => {
    for (const args of [
      ['--help'],
      ['--codex', 'zstd'],
      ['--codec'],
      ['--codec', '-x'],
      ['--tls-authz', '-'],
      ['--codec', 'zstd', '--codec', 'lz4'],
      ['--no-adaptive', '--adaptive'],
      ['--no-codec'],
      ['--json', 'true'],
      ['a', 'b', 'c'],
      ['--', '-a'],
    ]) {
      assert.equal(plainArguments(args, 'send'), undefined, args.join(' '));
    }
  });
});

describe('options that are given again', () => {
  it('are all kept where an option may be repeated, and otherwise the last one counts', async () => {
    const args = [
      '--tls-authz',
      'CN=a,O=b',
      '--tls-authz=CN=c',
      '--codec',
      'lz4',
      '--codec=zstd',
      '-q',
      '-q',
      'in',
      'out',
    ];
    const parsed = await parsedByYargs('send', args);
    assert.deepEqual(givenOptions(parsed, 'send'), {
      input: 'in',
      output: 'out',
      codec: 'zstd',
      tlsAuthz: ['CN=a,O=b', 'CN=c'],
    });
    assert.equal(parsed['quiet'], true);
  });
});
