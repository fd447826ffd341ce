// What the table says of one option, and the types that follow from rows for the library.

import type { CommandName } from './commands.js';
import type { Kind } from './kinds.js';

/** One option. Its key in the table is its name in the library (names.ts has the others). */
export interface OptionRow {
  readonly kind: Kind<unknown, unknown>;
  /** What it is for, as `--help` says it. Choices, limits and the default follow from the fields below. */
  readonly help: string;
  readonly commands: readonly CommandName[];
  /** The schema fills it in. A function is asked at each call. */
  readonly default?: unknown;
  /** Fills in nothing: the code applies it, because another option may take its place. Shown as the default. */
  readonly usual?: unknown;
  /** Says a default that is calculated, or what happens without the option. */
  readonly defaultText?: string;
  /** Without it the command does not run. */
  readonly required?: true;
  /** An address that is given by its place. `-` is its default on the command line unless it is `required` there. */
  readonly positional?: 'required' | 'dash';
  /** Of the command line alone; the library does not know it. */
  readonly commandLineOnly?: true;
  /** Also read from the environment. */
  readonly environment?: true;
  /** Also read from the file of `--config`, under this key. */
  readonly configKey?: string;
  readonly alias?: string;
  /** Options that cannot be given beside this one. */
  readonly excludes?: Exclusion;
}

export interface Exclusion {
  readonly names: readonly string[];
  readonly message: string;
  readonly hint: string;
}

/** Rows of one subject; each file of options has some. */
export type Rows = Readonly<Record<string, OptionRow>>;

type Taken<Row, Command> = Row extends { readonly commandLineOnly: true }
  ? false
  : Row extends { readonly commands: readonly (infer Name)[] }
    ? Command extends Name
      ? true
      : false
    : false;
type InOf<Row> = Row extends { readonly kind: Kind<infer In, unknown> } ? In : never;
type OutOf<Row> = Row extends { readonly kind: Kind<unknown, infer Out> } ? Out : never;
type IsRequired<Row> = Row extends { readonly required: true } ? true : false;
type IsComplete<Row> = Row extends { readonly required: true } | { readonly default: unknown } ? true : false;

/** What a caller gives to a command that takes these rows. */
export type GivenBy<Table, Command> = {
  readonly [
    Name in keyof Table as Taken<Table[Name], Command> extends true
      ? IsRequired<Table[Name]> extends true
        ? Name
        : never
      : never
  ]: InOf<Table[Name]>;
} & {
  readonly [
    Name in keyof Table as Taken<Table[Name], Command> extends true
      ? IsRequired<Table[Name]> extends true
        ? never
        : Name
      : never
  ]?: InOf<Table[Name]> | undefined;
};

/** What the command's code gets: checked, in base units, defaults filled in. */
export type ValuesOf<Table, Command> = {
  readonly [
    Name in keyof Table as Taken<Table[Name], Command> extends true
      ? IsComplete<Table[Name]> extends true
        ? Name
        : never
      : never
  ]: OutOf<Table[Name]>;
} & {
  readonly [
    Name in keyof Table as Taken<Table[Name], Command> extends true
      ? IsComplete<Table[Name]> extends true
        ? never
        : Name
      : never
  ]?: OutOf<Table[Name]> | undefined;
};
