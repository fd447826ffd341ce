// What both directions of a server use: the register of transfers, the log of refusals, and the threads and memory that each transfer
// is lent.

import type { RamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import type { Channel } from '../io/bytes.js';
import type { SendOptions } from '../options/rows/send.js';
import type { ServeOptions } from '../options/rows/serve.js';
import { givenOfSend } from '../options/table.js';
import type { TransferParts } from '../transfer/prestart/prestart.js';
import type { Refusals } from '../link/listen/strangers.js';
import type { Claims } from './claims.js';
import type { OtherProcesses } from './later-connections.js';
import type { Ended } from './outcomes.js';
import type { Register, Served } from './register.js';
import type { CostMemory } from '../transfer/adaptive/history/history.js';
import { Statistics } from '../transfer/statistics/statistics.js';
import type { TransferSummary } from '../transfer/statistics/summary.js';

export type NamedOptions = Pick<ServeOptions, keyof ServeOptions & keyof SendOptions>;

/** The options of outgoing guests that were given: those whose rows `serve` shares with `send`. */
export function namedOptions(options: ServeOptions): NamedOptions {
  return givenOfSend('serve', options);
}

/** Reports of a server to its owner. */
export interface ServerHooks {
  readonly onListening: (address: string) => void;
  readonly onWarning: (text: string) => void;
  /** Called at the end of each transfer, with its summary or its error. */
  readonly onEnded: (ended: Ended, outcome: TransferSummary | RamferryError) => void;
}

export interface ServerParts {
  readonly hooks: ServerHooks;
  readonly register: Register;
  readonly claims: Claims;
  readonly refusals: Refusals;
  /** The options of outgoing guests that the operator named; all others are absent. */
  readonly named: NamedOptions;
  readonly memory: CostMemory | undefined;
  /** Set in a shard: finds the shard that carries the transfer of a later connection. */
  readonly elsewhere: OtherProcesses | undefined;
  /** Threads and memory for one transfer. */
  lend(): TransferParts;
  ended(ended: Ended, outcome: TransferSummary | RamferryError): void;
}

/** Runs a transfer whose turn has come. Its signal also closes the connection, whose reads know no signal. */
export async function carry(
  served: Served,
  { source }: Pick<Channel, 'source'>,
  run: (statistics: Statistics) => Promise<TransferSummary>,
): Promise<TransferSummary> {
  served.ahead = 0;
  served.statistics = new Statistics();
  const forget = onAbort(served.controller.signal, () => void source!.close());
  return run(served.statistics).finally(forget);
}
