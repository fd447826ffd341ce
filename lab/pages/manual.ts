// Builds the manual pages: ramferry(1), and one for each command, from the table of options. mandoc's lint finds nothing in them.

import { COMMANDS, type CommandName, GUEST } from '../../src/options/commands.js';
import { EXIT } from '../../src/errors.js';
import { type Example, GUIDE } from '../../src/options/guide.js';
import { ADDRESSES, AMOUNTS, defaultText, helpText } from '../../src/options/help.js';
import { environmentName } from '../../src/options/names.js';
import type { Option } from '../../src/options/table.js';
import { kebabCase } from '../../src/units.js';
import { NAMES, positionals, switches, usageOf, written } from './table.js';

/** When the pages got their form; mandoc asks for a date. */
const PAGE_DATE = '2026-11-30';
/** mandoc's limit for a line of input is 80 bytes. */
const LINE = 78;
/** Columns of a command line: 80 without margins and the mark of a continued line. */
const COMMAND_LINE = 60;

const EXIT_TEXT: Readonly<Record<keyof typeof EXIT, string>> = {
  success: 'success; on links that go both ways the receiver says so, too',
  internal: 'internal error: a worker died, a self-check failed',
  usage: 'usage: an option, an address, a limit of memory, or a limit of the host',
  input: 'input: missing, unreadable, changed while it was read',
  link: 'link: cannot connect, closed, timed out, or the other side failed',
  corrupt: 'the stream is corrupt, truncated, or of an unexpected kind',
  output: 'output: exists, full, not writable',
  unknown: 'unknown: the last part of the stream may have arrived, and no result tells',
  hypervisor: 'QEMU or its guest did not do what the migration needs',
  incomplete: 'incomplete: the input broke off before its own end',
  interrupted: 'ended by SIGINT',
  terminated: 'ended by SIGTERM or SIGHUP',
};

const escaped = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-');

/** A text in lines of at most LINE bytes, with each sentence on a line of its own. */
function filled(text: string): string[] {
  const lines: string[] = [];
  for (const sentence of text.split(/(?<=[.;?!]) (?=[A-Z])/)) {
    let line = '';
    for (const word of escaped(sentence).split(' ')) {
      if (line !== '' && Buffer.byteLength(`${line} ${word}`) > LINE) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.map((line) => line.replace(/^([.'])/, '\\&$1'));
}

/** A command line, in bold. A long one continues before an option, as in a shell; its lines fit 80 columns behind the margin. */
function bold(line: string): string[] {
  const lines: string[] = [];
  for (const part of line.split(/ (?=--)/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + part.length > COMMAND_LINE) lines.push(part);
    else lines[lines.length - 1] = `${last} ${part}`;
  }
  return lines.flatMap((part, index) => {
    const text = escaped(part).replaceAll('"', '\\(dq');
    const start = `.B "${index === 0 ? '' : '  '}${text}`;
    return index < lines.length - 1 ? [`${start} \\e"`, '.br'] : [`${start}"`];
  });
}

function head(title: string, summary: string): string[] {
  return [
    '.\\" Written by scripts/option-pages.mjs from src/options: change the table there, not this page.',
    `.TH ${title.toUpperCase()} 1 ${PAGE_DATE}`,
    '.SH NAME',
    ...filled(`${title} - ${summary.charAt(0).toLowerCase()}${summary.slice(1)}`),
  ];
}

const exitStatus = (): string[] => [
  '.SH EXIT STATUS',
  ...Object.entries(EXIT_TEXT).flatMap(([name, text]) => [
    '.TP',
    `.B ${EXIT[name as keyof typeof EXIT]}`,
    ...filled(`${text}.`),
  ]),
];

function optionLines(option: Option): string[] {
  const shown = defaultText(option);
  const more = [
    ...(option.required === true && option.positional === undefined ? ['Required.'] : []),
    ...(shown === undefined ? [] : [`Default: ${shown}.`]),
    ...(option.environment === true ? [`Environment: ${environmentName(option.name)}.`] : []),
  ];
  return ['.TP', `.B ${escaped(written(option))}`, ...filled([`${helpText(option)}.`, ...more].join(' '))];
}

function exampleLines({ line, what }: Example): string[] {
  const title = `${what.charAt(0).toUpperCase()}${what.slice(1)}${what.endsWith('?') ? '' : ':'}`;
  return ['.TP', ...filled(title), ...bold(`ramferry ${line}`)];
}

/** `guest source` to `ramferry-guest-source`. */
export const pageName = (command: CommandName): string => `ramferry-${command.replaceAll(' ', '-')}`;

function seeAlso(names: readonly string[]): string[] {
  const all = ['ramferry', ...names];
  return [
    '.SH SEE ALSO',
    ...all.map((name, index) => `.BR ${escaped(name)} (1)${index < all.length - 1 ? ',' : ''}`),
  ];
}

/** Commands that work with the other side of `command`, or tell more of it. */
const RELATED: Readonly<Record<CommandName, readonly CommandName[]>> = {
  send: ['receive', 'inspect', 'tune', 'qemu-migrate', 'serve'],
  receive: ['send', 'inspect', 'serve'],
  migrate: ['incoming', 'qemu-migrate'],
  incoming: ['migrate'],
  'qemu-migrate': ['receive', 'send', 'serve', 'migrate'],
  serve: ['status', 'send', 'receive'],
  status: ['serve'],
  inspect: ['send', 'receive'],
  bench: ['tune', 'features'],
  tune: ['bench', 'send', 'receive'],
  'emu-manager': ['send', 'receive'],
  'guest source': ['guest destination', 'guest compare'],
  'guest destination': ['guest source', 'guest compare'],
  'guest compare': ['guest source', 'guest destination'],
  features: ['bench'],
};

/** The options of a command: those of the guide first, the others as in the table. */
function ordered(command: CommandName): readonly Option[] {
  const { usual } = GUIDE[command];
  const place = ({ name }: Option): number => (usual.includes(name) ? usual.indexOf(name) : usual.length);
  return [...switches(command)].sort((one, other) => place(one) - place(other));
}

/** The text of docs/man/ramferry-COMMAND.1. */
export function commandPage(command: CommandName): string {
  const { summary } = COMMANDS[command];
  const { examples } = GUIDE[command];
  const ends = positionals(command);
  const options = ordered(command);
  const lines = [
    ...head(pageName(command), summary),
    '.SH SYNOPSIS',
    ...bold(`${usageOf(command)}${options.length > 0 ? ' [options]' : ''}`),
    '.SH DESCRIPTION',
    ...filled(`${summary}.`),
    ...ends.flatMap((option) => ['.TP', `.B ${kebabCase(option.name)}`, ...filled(`${helpText(option)}.`)]),
    '.PP',
    ...filled(`${ADDRESSES} ${AMOUNTS}`),
    '.SH OPTIONS',
    ...filled('The command line wins over the environment. --no-NAME says no to an option without VALUE.'),
    ...options.flatMap(optionLines),
    ...exitStatus(),
    '.SH EXAMPLES',
    ...examples.flatMap(exampleLines),
    ...seeAlso(RELATED[command].map(pageName)),
  ];
  return `${lines.join('\n')}\n`;
}

/** The text of docs/ramferry.1. */
export function overviewPage(): string {
  const lines = [
    ...head('ramferry', "Carries a running virtual machine's memory to another host"),
    '.SH SYNOPSIS',
    ...NAMES.flatMap((name, index) => [...(index === 0 ? [] : ['.br']), ...bold(usageOf(name))]),
    '.SH DESCRIPTION',
    ...filled(
      'ramferry is a compression engine inside the migration stream of QEMU, libvirt, Xen or xapi. It needs no patch to the hypervisor, ' +
        'and delivers the identical bytes or an error.',
    ),
    '.PP',
    ...filled(`${ADDRESSES} ${AMOUNTS}`),
    '.PP',
    ...filled('The command line wins over the environment, the environment over the file of --config.'),
    '.SH COMMANDS',
    ...NAMES.flatMap((name) => [
      '.TP',
      `.BR ${escaped(pageName(name))} (1)`,
      ...filled(`${COMMANDS[name].summary}.`),
    ]),
    '.PP',
    ...filled(`ramferry guest: ${GUEST.summary}.`),
    ...exitStatus(),
    '.SH EXAMPLES',
    ...(['send', 'receive', 'inspect', 'tune'] as const).flatMap((name) =>
      exampleLines(GUIDE[name].examples[0]!),
    ),
    '.SH FILES',
    '.TP',
    `.I ${escaped('/usr/share/doc/ramferry/docs')}`,
    ...filled(
      'The pages of the Debian package; the portable tarball has them in docs. QUICKSTART.md begins, TROUBLESHOOTING.md explains each error code.',
    ),
    '.SH SEE ALSO',
    ...NAMES.map((name, index) => `.BR ${escaped(pageName(name))} (1)${index < NAMES.length - 1 ? ',' : ''}`),
  ];
  return `${lines.join('\n')}\n`;
}
