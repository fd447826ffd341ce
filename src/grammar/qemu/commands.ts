// What a command section means for the bytes after it. Takes a command's number and length; does not look at its data.

import { ADVISE_WITH_RAM, COMMAND } from './format.js';

export interface CommandMeaning {
  /** RAM may go postcopy later: the lists of RAM blocks may have page sizes. */
  readonly postcopyAdvised?: boolean;
  /** From the command on pages come one at a time, or both sides talk after each checkpoint: why the walk ends. */
  readonly urgentBecause?: string;
}

const NOTHING: CommandMeaning = {};

/** An unknown command means nothing: its length leads to the bytes behind it. */
export function meaningOf(command: number, length: number): CommandMeaning {
  switch (command) {
    case COMMAND.postcopyAdvise:
      return length === ADVISE_WITH_RAM ? { postcopyAdvised: true } : NOTHING;
    case COMMAND.packaged:
      return { urgentBecause: 'package of device state: the source goes postcopy' };
    case COMMAND.postcopyListen:
    case COMMAND.postcopyResume:
      return { urgentBecause: 'postcopy' };
    case COMMAND.enableColo:
      return { urgentBecause: 'COLO' };
    default:
      return NOTHING;
  }
}

/** Length of each command's data (mig_cmd_args in savevm.c); undefined = any. */
const LENGTHS: ReadonlyMap<number, readonly number[] | undefined> = new Map([
  [COMMAND.openReturnPath, [0]],
  [COMMAND.ping, [4]],
  [COMMAND.postcopyAdvise, [0, ADVISE_WITH_RAM]],
  [COMMAND.postcopyListen, [0]],
  [COMMAND.postcopyRun, [0]],
  [COMMAND.postcopyRamDiscard, undefined],
  [COMMAND.packaged, [4]],
  [COMMAND.enableColo, [0]],
  [COMMAND.postcopyResume, [0]],
  [COMMAND.receiveBitmap, undefined],
  [COMMAND.switchoverStart, [0]],
]);

/** Whether QEMU writes this command with that length. */
export function isKnownCommand(command: number, length: number): boolean {
  return LENGTHS.has(command) && (LENGTHS.get(command)?.includes(length) ?? true);
}
