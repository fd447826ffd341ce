// What both directions of a server use: the register of transfers, the log of refusals, and the threads and memory that each transfer
// is lent.

import type { ServeOptions } from '../options/rows/serve.js';
import type { TransferParts } from '../transfer/prestart/prestart.js';
import type { Refusals } from '../link/listen/strangers.js';
import type { Ended, Register } from './register.js';

const OUTGOING_OPTIONS = [
  'codec',
  'compressLevel',
  'adaptive',
  'maxLevel',
  'chunkSize',
  'maxBandwidth',
  'downtimeLimit',
  'xbzrleCacheSize',
  'selfCheck',
  'flushAfter',
  'connectTimeout',
  'ioTimeout',
  'zstdBinding',
] as const satisfies readonly (keyof ServeOptions)[];

export type NamedOptions = Pick<ServeOptions, (typeof OUTGOING_OPTIONS)[number]>;

/** The options of outgoing guests that were given. */
export function namedOptions(options: ServeOptions): NamedOptions {
  const given = OUTGOING_OPTIONS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

/** Reports of a server to its owner. */
export interface ServerHooks {
  readonly onListening: (address: string) => void;
  readonly onWarning: (text: string) => void;
  /** Called at the end of each transfer. */
  readonly onEnded: (ended: Ended) => void;
}

export interface ServerParts {
  readonly hooks: ServerHooks;
  readonly register: Register;
  readonly refusals: Refusals;
  /** The options of outgoing guests that the operator named; all others are absent. */
  readonly named: NamedOptions;
  /** Threads and memory for one transfer. */
  lend(): TransferParts;
  ended(ended: Ended): void;
}
