// The text of one option in help and pages: purpose, choices, limits and default, from its row.

import { kebabCase } from '../units.js';
import type { Option } from './table.js';

/** From this value on, a limit is technical (a timer, an exact number), and help omits it. */
const UNBOUNDED = 2 ** 31 - 1;

/** The limits as text: `64KiB to 16MiB`, `4MiB or more`; undefined where they are technical. */
export function limitsText({ kind }: Option): string | undefined {
  const { range, write } = kind;
  if (range === undefined) return undefined;
  const bounded = range.max < UNBOUNDED || /[MGT]iB$/.test(write(range.max));
  if (bounded) return `${write(range.min)} to ${write(range.max)}`;
  return range.min > 1 ? `${write(range.min)} or more` : undefined;
}

/** The default as text: `1MiB`; undefined for an option without a default. */
export function defaultText({
  kind,
  defaultText: words,
  default: filled,
  usual,
}: Option): string | undefined {
  if (words !== undefined) return words;
  const value = filled ?? usual;
  if (value === undefined || value === false) return undefined;
  return kind.write(value);
}

/** Purpose, choices and limits, without the default. */
export function helpText(option: Option): string {
  const { help, kind } = option;
  const choices = kind.choices === undefined ? '' : `: ${kind.choices.join(', ')}`;
  const limits = limitsText(option);
  return `${help}${choices}${limits === undefined ? '' : ` (${limits})`}`;
}

/** The option on the command line: `--chunk-size`. */
export function flagText({ name }: Option): string {
  return `--${kebabCase(name)}`;
}

export const ADDRESSES =
  'An address is tcp:HOST:PORT, tcp-listen:[HOST:]PORT, unix:PATH, unix-listen:PATH, fd:N, exec:COMMAND, a path, or - (standard input or output).';

export const AMOUNTS =
  'Sizes: 64KiB, 1M (binary), 1MB (decimal); a bare number is bytes. Rates: 1gbit, 100Mbps, 125MB; a bare number is bytes per second. ' +
  'Durations: 500ms, 30s, 2min; a bare number is milliseconds.';
