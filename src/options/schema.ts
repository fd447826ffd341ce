// Checks the options of a command against the table when the library is called. A schema is built at its first use.
// Promises a complete set, in base units, or ERR_OPTION_INVALID with the option's name. Opens nothing.

import * as z from 'zod/mini';

import { RamferryError } from '../errors.js';
import { guarded } from '../transfer/statistics/callbacks.js';
import type { CommandName } from './commands.js';
import { optionError } from './refusal.js';
import { type GivenFor, type Option, optionsOf, type ValuesFor } from './table.js';

/** A callback, passed on unchanged: z.function() would check its arguments at each call. */
const callback = z.optional(
  z.pipe(
    z.custom<(...args: unknown[]) => void>((value) => typeof value === 'function', {
      error: 'expected a function',
    }),
    z.transform((value: (...args: unknown[]) => void) => guarded(value)),
  ),
);

/** The signal and callbacks of a program. They have no text form. */
const HOOKS = {
  signal: z.optional(z.instanceof(AbortSignal)),
  onProgress: callback,
  onListening: callback,
  onWarning: callback,
};

export type HookName = keyof typeof HOOKS;

const built = new Map<CommandName, z.ZodMiniObject>();

/** The schema of one option, its default included. */
export function optionSchema({ name, kind, required, ...row }: Option): z.ZodMiniType {
  const schema = kind.schema(name);
  if (required === true) return schema;
  const { default: usual } = row;
  if (usual === undefined) return z.optional(schema);
  return z._default(schema, usual);
}

function schemaOf(command: CommandName, hooks: readonly HookName[]): z.ZodMiniObject {
  let schema = built.get(command);
  if (schema === undefined) {
    const options = optionsOf(command).filter(({ commandLineOnly }) => commandLineOnly !== true);
    schema = z.strictObject({
      ...Object.fromEntries(options.map((option) => [option.name, optionSchema(option)])),
      ...Object.fromEntries(hooks.map((name) => [name, HOOKS[name]])),
    });
    built.set(command, schema);
  }
  return schema;
}

/**
 * Checks and completes the options of a command.
 * @param hooks the signal and callbacks that the command takes
 * @throws RamferryError ERR_OPTION_INVALID
 */
export function resolveOptions<Command extends CommandName, Hooks extends object>(
  command: Command,
  hooks: readonly (HookName & keyof Hooks)[],
  given: GivenFor<Command> & Hooks,
): ValuesFor<Command> & Hooks {
  const schema = schemaOf(command, hooks);
  const result = schema.safeParse(given);
  const named = given as Readonly<Record<string, unknown>>;
  if (!result.success) throw optionError(result.error.issues[0], named, Object.keys(schema.shape));
  refuseExcluded(command, named);
  return result.data as ValuesFor<Command> & Hooks;
}

function refuseExcluded(command: CommandName, given: Readonly<Record<string, unknown>>): void {
  for (const { name, excludes } of optionsOf(command)) {
    if (excludes === undefined || given[name] === undefined) continue;
    if (excludes.names.some((other) => given[other] !== undefined)) {
      throw new RamferryError('ERR_OPTION_INVALID', excludes.message, { hint: excludes.hint });
    }
  }
}
