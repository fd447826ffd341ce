// Kinds of option values: how a text is read, which values are valid, and how an amount is written in help and pages.
// A kind is independent of the option; its schema is built with the option's name, for messages.

import type { Readable, Writable } from 'node:stream';

import * as z from 'zod/mini';

import { isGuestName } from '../control/negotiation.js';
import {
  outOfRange,
  parseCpus,
  parseDuration,
  parseRate,
  parseSize,
  type Unit,
  writeExactly,
  writeRate,
} from '../units.js';
import type { CpuShare, Duration, Rate, Size } from './amounts.js';
import type { Range } from './limits.js';

/** `address` is a prefix (`tcp:`) or a file. */
export type Completion = 'file' | 'directory' | 'address';

/** The conversion from a text of the command line or the environment. The schema checks the result. */
export type Reading = 'text' | 'number' | 'boolean' | 'list' | 'numbers';

/** `In` is the type before the check, `Out` after it. */
export interface Kind<In, Out> {
  readonly reading: Reading;
  /** A switch: `--name` and `--no-name` without a value. */
  readonly isSwitch?: boolean;
  /** The option may be repeated. */
  readonly repeats?: boolean;
  readonly range?: Range;
  readonly choices?: readonly string[];
  /** What the shells complete where the kind has no choices. */
  readonly completion?: Completion;
  readonly schema: (name: string) => z.ZodMiniType<Out, In>;
  /** Formats a value with its unit. */
  readonly write: (value: unknown) => string;
}

/** Permissions of a file, in octal digits. */
export function fileMode({ min, max }: Range): Kind<string, number> {
  const digits = (mode: number): string => mode.toString(8).padStart(4, '0');
  const expected = `expected octal digits from ${digits(min)} to ${digits(max)}`;
  return {
    reading: 'text',
    schema: () =>
      z.pipe(
        z.string().check(
          z.refine((value) => {
            const mode = /^[0-7]{3,4}$/.test(value) ? parseInt(value, 8) : -1;
            return mode >= min && mode <= max;
          }, expected),
        ),
        z.transform((value: string) => parseInt(value, 8)),
      ),
    write: (value) => digits(Number(value)),
  };
}

/** A number with a unit, or the bare number. The schema passes the option's name to the parser. */
function quantity(
  parse: (value: string | number, option: string) => number,
  unit: Unit,
  range: Range,
  multiple = 1,
) {
  return (name: string): z.ZodMiniType<number, number | string> =>
    z
      .pipe(
        z.union([z.number(), z.string()]),
        z.transform((value: number | string) => {
          const amount = parse(value, name);
          if (amount < range.min) throw outOfRange(name, value, 'below', range.min, unit);
          if (amount > range.max) throw outOfRange(name, value, 'above', range.max, unit);
          return amount;
        }),
      )
      .check(
        z.refine((value) => multiple === 1 || value % multiple === 0, `expected a multiple of ${multiple}`),
      );
}

/** Bytes. @param multiple bytes of which the size must be a multiple */
export function size(range: Range, multiple = 1): Kind<Size, number> {
  return {
    reading: 'text',
    range,
    schema: quantity(parseSize, 'size', range, multiple),
    write: (value) => writeExactly(Number(value), 'size'),
  };
}

/** Bytes per second. */
export function rate(range: Range): Kind<Rate, number> {
  return {
    reading: 'text',
    range,
    schema: quantity(parseRate, 'count', range),
    write: (value) => writeRate(Number(value)),
  };
}

/** Milliseconds. */
export function duration(range: Range): Kind<Duration, number> {
  return {
    reading: 'text',
    range,
    schema: quantity(parseDuration, 'duration', range),
    write: (value) => writeExactly(Number(value), 'duration'),
  };
}

/** Milliseconds as `duration`. A text without a unit is seconds, as virsh and Cloud Hypervisor have it for time-outs. */
export function seconds(range: Range): Kind<Duration, number> {
  const parse = (value: string | number, name: string): number =>
    parseDuration(typeof value === 'string' && BARE.test(value) ? `${value.trim()}s` : value, name);
  return { ...duration(range), schema: quantity(parse, 'duration', range) };
}

const BARE = /^\s*[\d.]+\s*$/;

/** Processor time, in CPUs. */
export function cpuShare(range: Range): Kind<CpuShare, number> {
  return { reading: 'text', range, schema: quantity(parseCpus, 'count', range), write: String };
}

/** A whole number. Without a range the code that uses the option checks its limits. */
export function count(range?: Range): Kind<number, number> {
  return {
    reading: 'number',
    ...(range === undefined ? {} : { range }),
    schema: () => (range === undefined ? z.int() : z.int().check(z.minimum(range.min), z.maximum(range.max))),
    write: String,
  };
}

/** One of a few words. */
export function choice<const Name extends string>(choices: readonly Name[]): Kind<Name, Name> {
  return {
    reading: 'text',
    choices,
    schema: () => z.enum(choices as [Name]),
    write: String,
  };
}

/** A text that is not empty. */
export function text(): Kind<string, string> {
  return { reading: 'text', schema: () => z.string().check(z.minLength(1)), write: String };
}

export const file = (): Kind<string, string> => ({ ...text(), completion: 'file' });
export const directory = (): Kind<string, string> => ({ ...text(), completion: 'directory' });
export const address = (): Kind<string, string> => ({ ...text(), completion: 'address' });

const GUEST_NAME_RULE =
  'expected letters, digits, `.`, `_` and `-`, at most 64, beginning with a letter or a digit, without `..`';

/** A guest's name (control/negotiation.ts). */
export function guestName(): Kind<string, string> {
  return {
    reading: 'text',
    schema: () => z.string().check(z.refine(isGuestName, GUEST_NAME_RULE)),
    write: String,
  };
}

/** Guests' names: the option may be repeated. */
export function guestNames(): Kind<readonly string[], readonly string[]> {
  return {
    ...texts(),
    schema: () => z.readonly(z.array(z.string().check(z.refine(isGuestName, GUEST_NAME_RULE)))),
  };
}

/** Yes or no, by a switch. */
export function flag(): Kind<boolean, boolean> {
  return { ...onOff(), isSwitch: true };
}

/** Yes or no, as a value: `--name on`. */
export function onOff(): Kind<boolean, boolean> {
  return { reading: 'boolean', schema: () => z.boolean(), write: (value) => (value === true ? 'yes' : 'no') };
}

/** An option that may be repeated, with one text each time. */
export function texts(): Kind<readonly string[], readonly string[]> {
  return {
    reading: 'text',
    repeats: true,
    schema: () => z.readonly(z.array(z.string().check(z.minLength(1)))),
    write: (value) => (value as readonly string[]).join(','),
  };
}

export const files = (): Kind<readonly string[], readonly string[]> => ({ ...texts(), completion: 'file' });

/** One or more values with commas between them. */
export function list<In, Out>(each: Kind<In, Out>): Kind<readonly In[], readonly Out[]> {
  return {
    reading: each.reading === 'number' ? 'numbers' : 'list',
    ...(each.range === undefined ? {} : { range: each.range }),
    ...(each.choices === undefined ? {} : { choices: each.choices }),
    schema: (name) => z.readonly(z.array(each.schema(name)).check(z.minLength(1))),
    write: (value) => (Array.isArray(value) ? value.map(each.write).join(',') : each.write(value)),
  };
}

/** An address, or a stream. The check looks for the stream's method, as the class may be of another copy of Node's `stream`. */
function end<Stream extends Readable | Writable>(
  method: 'read' | 'write',
): Kind<string | Stream, string | Stream> {
  const schema = (): z.ZodMiniType<string | Stream, string | Stream> =>
    z.custom<string | Stream>(
      (value) =>
        typeof value === 'string'
          ? value !== ''
          : typeof (value as unknown as Partial<Record<string, unknown>> | null | undefined)?.[method] ===
            'function',
      { error: 'expected an address that is not empty, or a stream' },
    );
  return { reading: 'text', completion: 'address', schema, write: String };
}

export const readableEnd = (): Kind<string | Readable, string | Readable> => end<Readable>('read');
export const writableEnd = (): Kind<string | Writable, string | Writable> => end<Writable>('write');

/** Version 1 or 2 of method `xenguest`. */
export function xenguestVersion(): Kind<1 | 2, 1 | 2> {
  return {
    reading: 'number',
    schema: () => z.union([z.literal(1), z.literal(2)], { error: 'expected 1 or 2' }),
    write: String,
  };
}
