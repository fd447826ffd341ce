// The row of one option in the table, and the library's types that follow from rows.

import type { CommandName } from './commands.js';
import type { Kind } from './kinds.js';

/** One option. Its key in the table is its name in the library (names.ts has its other names). */
export interface OptionRow {
  readonly kind: Kind<unknown, unknown>;
  /** Its purpose, as `--help` shows it. Choices, limits and the default follow from the fields below. */
  readonly help: string;
  readonly commands: readonly CommandName[];
  /** The schema fills it in. A function is called at each use. */
  readonly default?: unknown;
  /** Shown as the default. The code applies it, not the schema, because another option may replace it. */
  readonly usual?: unknown;
  /** Describes a calculated default, or the behaviour without the option. */
  readonly defaultText?: string;
  /** The command does not run without it. */
  readonly required?: true;
  /** A positional address. `dash`: `-` is its default on the command line. */
  readonly positional?: 'required' | 'optional' | 'dash';
  /** The option belongs to the command line; the library has no such option. */
  readonly commandLineOnly?: true;
  /** Belongs to the command line, and also to the file of `serve --config`. */
  readonly inOptionsFile?: true;
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

/** The rows of one subject. Each file in rows/ has some. */
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

/** The rows of a table that the command takes. */
type TakenRows<Table, Command> = {
  [Name in keyof Table as Taken<Table[Name], Command> extends true ? Name : never]: Table[Name];
};

/** The options that a caller gives to a command with these rows. */
export type GivenBy<Table, Command> = Given<TakenRows<Table, Command>>;
type Given<Table> = {
  readonly [Name in keyof Table as IsRequired<Table[Name]> extends true ? Name : never]: InOf<Table[Name]>;
} & {
  readonly [Name in keyof Table as IsRequired<Table[Name]> extends true ? never : Name]?:
    InOf<Table[Name]> | undefined;
};

/** The options that the command's code gets: checked, in base units, defaults filled in. */
export type ValuesOf<Table, Command> = Values<TakenRows<Table, Command>>;
type Values<Table> = {
  readonly [Name in keyof Table as IsComplete<Table[Name]> extends true ? Name : never]: OutOf<Table[Name]>;
} & {
  readonly [Name in keyof Table as IsComplete<Table[Name]> extends true ? never : Name]?:
    OutOf<Table[Name]> | undefined;
};
