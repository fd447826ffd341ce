// What a command section means for the bytes after it. Takes a command's number and length; does not look at its data.

import { ADVISE_WITH_RAM, COMMAND } from './format.js';

export interface CommandMeaning {
  /** RAM may go postcopy later: the lists of RAM blocks may have page sizes. */
  readonly postcopyAdvised?: boolean;
  /** From the command on pages come one at a time, or both sides talk after each checkpoint: why the walk ends. */
  readonly urgentBecause?: string;
}

const NOTHING: CommandMeaning = {};

/** @returns undefined for a command that is unknown: what it means for the bytes after it is unknown, too */
export function meaningOf(command: number, length: number): CommandMeaning | undefined {
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
      return command === COMMAND.invalid || command > COMMAND.switchoverStart ? undefined : NOTHING;
  }
}
