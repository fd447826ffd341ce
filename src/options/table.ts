// The table of all options: every command, the environment, `ramferry features`, docs/OPTIONS.md, manual pages and completion derive from it.
// The rows are in rows/, one file for each subject, beside the documented interfaces that they implement.

import type { CommandName } from './commands.js';
import { COMMON_ROWS, RECEIVE_END_ROWS, SEND_END_ROWS } from './rows/common.js';
import { EMU_ROWS } from './rows/emu-manager.js';
import {
  GUEST_COMPARE_ROWS,
  GUEST_DESTINATION_ROWS,
  GUEST_LINK_ROWS,
  GUEST_ROWS,
  GUEST_SOURCE_ROWS,
} from './rows/guest.js';
import { HYPERVISOR_ROWS } from './rows/hypervisor.js';
import { INCOMING_ROWS, MIGRATE_ROWS, QEMU_GUEST_ROWS } from './rows/migrate.js';
import { QEMU_MIGRATE_ROWS } from './rows/qemu-migrate.js';
import { INSPECT_ROWS, RECEIVE_ROWS } from './rows/receive.js';
import { COMMAND_LINE_ROWS } from './rows/reports.js';
import type { GivenBy, OptionRow, Rows, ValuesOf } from './row.js';
import { SEND_ROWS, type SendOptions } from './rows/send.js';
import { SERVE_ROWS, STATUS_ROWS } from './rows/serve.js';
import { LISTEN_ROWS } from './rows/listen.js';
import { TLS_ROWS } from './rows/tls.js';
import { BENCH_ROWS, MEASURING_ROWS, TUNE_ROWS } from './rows/tune.js';

/** The rows in the order in which help shows them. */
const TABLE = [
  SEND_END_ROWS,
  RECEIVE_END_ROWS,
  QEMU_GUEST_ROWS,
  MIGRATE_ROWS,
  INCOMING_ROWS,
  QEMU_MIGRATE_ROWS,
  SERVE_ROWS,
  STATUS_ROWS,
  SEND_ROWS,
  RECEIVE_ROWS,
  INSPECT_ROWS,
  EMU_ROWS,
  TUNE_ROWS,
  BENCH_ROWS,
  MEASURING_ROWS,
  GUEST_ROWS,
  GUEST_SOURCE_ROWS,
  GUEST_DESTINATION_ROWS,
  GUEST_COMPARE_ROWS,
  GUEST_LINK_ROWS,
  HYPERVISOR_ROWS,
  LISTEN_ROWS,
  TLS_ROWS,
  COMMON_ROWS,
  COMMAND_LINE_ROWS,
] as const satisfies readonly Rows[];

type UnionToIntersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (
  all: infer All,
) => void
  ? All
  : never;
type EachGiven<Table, Command> = Table extends unknown ? GivenBy<Table, Command> : never;
type EachValues<Table, Command> = Table extends unknown ? ValuesOf<Table, Command> : never;

/** The options that a caller gives for a command, without callbacks and signals. */
export type GivenFor<Command extends CommandName> = UnionToIntersection<
  EachGiven<(typeof TABLE)[number], Command>
>;
/** The options that the command's code gets: checked, in base units, defaults filled in. */
export type ValuesFor<Command extends CommandName> = UnionToIntersection<
  EachValues<(typeof TABLE)[number], Command>
>;

/** A row with its name. */
export interface Option extends OptionRow {
  readonly name: string;
}

/** Every row. A name occurs several times where its meaning differs between commands. */
export const OPTIONS: readonly Option[] = TABLE.flatMap((rows: Rows) =>
  Object.entries(rows).map(([name, row]) => ({ name, ...row })),
);

/** The options of a command, in the order in which help shows them. */
export function optionsOf(command: CommandName): readonly Option[] {
  return OPTIONS.filter(({ commands }) => commands.includes(command));
}

/** The given values of those options whose rows a command shares with `send`; absent ones stay absent. */
export function givenOfSend<Options extends object>(
  command: CommandName,
  options: Options,
): Pick<Options, keyof Options & keyof SendOptions> {
  const shared = optionsOf(command).filter(
    ({ commands, commandLineOnly }) => commandLineOnly !== true && commands.includes('send'),
  );
  const given = shared.map(({ name }) => [name, options[name as keyof Options]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Options;
}
