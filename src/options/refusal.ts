// Translates the schemas' errors, because zod's messages are written for programmers.

import type * as z from 'zod/mini';
import { RamferryError } from '../errors.js';
import { invalidOption, outOfRange } from '../units.js';

/** ERR_OPTION_INVALID for an issue of zod. @param known names of the existing options, for a hint */
export function optionError(
  issue: z.core.$ZodIssue | undefined,
  options: Readonly<Record<string, unknown>>,
  known: readonly string[],
): RamferryError {
  if (issue?.code === 'unrecognized_keys') {
    return new RamferryError('ERR_OPTION_INVALID', `${issue.keys[0]!}: no such option`, {
      hint: `options: ${known.join(', ')}`,
    });
  }
  const [first = 'options', ...inner] = issue?.path ?? [];
  const name = String(first);
  let value: unknown = issue?.path.length === 0 ? options : options[name];
  for (const key of inner) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (issue?.code === 'too_small' && issue.origin !== 'string' && issue.origin !== 'array') {
    return outOfRange(name, value, 'below', Number(issue.minimum), 'count');
  }
  if (issue?.code === 'too_big' && issue.origin !== 'string' && issue.origin !== 'array') {
    return outOfRange(name, value, 'above', Number(issue.maximum), 'count');
  }
  return invalidOption(name, value, problem(issue), hintFor(name, value));
}

/** A hint for `zstd:3`, the notation of codec and level in other programs. */
function hintFor(name: string, value: unknown): string | undefined {
  const [, codec, level] = (name === 'codec' && /^([a-z0-9]+)[:-](\d+)$/.exec(String(value))) || [];
  return codec === undefined ? undefined : `write --codec ${codec} --compress-level ${level!}`;
}

function problem(issue: z.core.$ZodIssue | undefined): string {
  switch (issue?.code) {
    case 'invalid_value':
      return `expected one of ${issue.values.join(', ')}`;
    case 'too_small':
      return issue.origin === 'string'
        ? 'expected a text that is not empty'
        : `expected at least ${issue.minimum}`;
    case 'too_big':
      return `expected at most ${issue.maximum}`;
    case 'invalid_type':
      return `expected ${issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`}`;
    default:
      return issue?.message ?? 'not valid';
  }
}
