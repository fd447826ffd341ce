// Checks the options of send and receive, from a program or the command line. Returns a complete set, on which all later code
// relies, or throws ERR_OPTION_INVALID with the option's name. Does not open the addresses.

import type { TransferHooks } from './rows/common.js';
import type { Exact } from './exact.js';
import { MEMORY_BESIDE_STORE } from './limits.js';
import type { ReceiveOptions } from './rows/receive.js';
import { type HookName, resolveOptions } from './schema.js';
import type { SendOptions } from './rows/send.js';
import type { GivenFor, ValuesFor } from './table.js';

export type { ReceiveOptions } from './rows/receive.js';
export type { SendOptions } from './rows/send.js';

true satisfies Exact<GivenFor<'send'> & TransferHooks, SendOptions>;
true satisfies Exact<GivenFor<'receive'> & TransferHooks, ReceiveOptions>;

/** Checked SendOptions: complete, quantities in bytes, bytes per second and milliseconds. */
export type ResolvedSendOptions = ValuesFor<'send'> & TransferHooks;
/** Checked ReceiveOptions. */
export type ResolvedReceiveOptions = ValuesFor<'receive'> & TransferHooks;

/** The signal and callbacks of every transfer. */
export const TRANSFER_HOOKS: readonly (HookName & keyof TransferHooks)[] = [
  'signal',
  'onProgress',
  'onListening',
  'onWarning',
];

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveSendOptions(options: SendOptions): ResolvedSendOptions {
  const resolved = resolveOptions<'send', TransferHooks>('send', TRANSFER_HOOKS, options);
  const { window, xbzrleCacheSize } = resolved;
  const memoryLimit =
    options.memoryLimit !== undefined || xbzrleCacheSize === undefined
      ? resolved.memoryLimit
      : MEMORY_BESIDE_STORE + xbzrleCacheSize;
  // A window sets the chunk size.
  return { ...resolved, memoryLimit, chunkSize: window ?? resolved.chunkSize };
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveReceiveOptions(options: ReceiveOptions): ResolvedReceiveOptions {
  return resolveOptions<'receive', TransferHooks>('receive', TRANSFER_HOOKS, options);
}
