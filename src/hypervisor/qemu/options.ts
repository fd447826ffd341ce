// The door of `migrate` and `incoming`: options checked and completed by the table (src/options/rows/migrate.ts).

import { RamferryError } from '../../errors.js';
import { parseAddress } from '../../link/address.js';
import type { TransferHooks } from '../../options/rows/common.js';
import type { Exact } from '../../options/exact.js';
import type { IncomingOptions, MigrateOptions } from '../../options/rows/migrate.js';
import { resolveOptions } from '../../options/schema.js';
import type { GivenFor, ValuesFor } from '../../options/table.js';
import { type ResolvedSendOptions, TRANSFER_HOOKS } from '../../options/transfer.js';

true satisfies Exact<GivenFor<'migrate'> & TransferHooks, MigrateOptions>;
true satisfies Exact<GivenFor<'incoming'> & TransferHooks, IncomingOptions>;

/** `qmp` is a path. */
export type ResolvedMigrateOptions = ValuesFor<'migrate'> & TransferHooks;
export type ResolvedIncomingOptions = ValuesFor<'incoming'> & TransferHooks;

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveMigrateOptions(options: MigrateOptions): ResolvedMigrateOptions {
  return withGuest(resolveOptions<'migrate', TransferHooks>('migrate', TRANSFER_HOOKS, options));
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveIncomingOptions(options: IncomingOptions): ResolvedIncomingOptions {
  return withGuest(resolveOptions<'incoming', TransferHooks>('incoming', TRANSFER_HOOKS, options));
}

/** The engine's options of a `migrate`: an opaque stream to a receiver that answers. */
export function sendOptions(settings: ResolvedMigrateOptions, signal: AbortSignal): ResolvedSendOptions {
  const fixed = {
    method: 'xenguest',
    format: 'opaque',
    oneWay: false,
    sync: false,
    connections: 1,
    hypervisorConnections: 1,
    directIo: false,
    // The watchdog shares the descriptor of the link, which TLS does not allow.
    tls: false,
    tlsVerifyPeer: true,
    tlsAuthz: [],
    allow: [],
  } as const;
  return { ...settings, ...fixed, input: '-', signal };
}

interface GuestSettings {
  readonly qmp: string;
  readonly ram: readonly string[];
  readonly ramUnchecked: boolean;
}

function withGuest<T extends GuestSettings>(options: T): T {
  if (options.ramUnchecked && options.ram.length === 0) {
    throw new RamferryError('ERR_OPTION_INVALID', 'ramUnchecked: no RAM file is named', {
      hint: 'name the RAM files with --ram, in the same order on both sides',
    });
  }
  return { ...options, qmp: monitorPath(options.qmp) };
}

/** `unix:PATH` or a path, as a path. */
function monitorPath(text: string): string {
  const address = parseAddress(text);
  if (address.kind === 'unix' || address.kind === 'file') return address.path;
  throw new RamferryError('ERR_OPTION_INVALID', `qmp: '${text}' is not a unix socket`, {
    hint: 'write --qmp unix:PATH, where QEMU has -qmp unix:PATH,server=on,wait=off',
  });
}

/** QMP commands are bounded also where a silent link is not: milliseconds for each. */
const QMP_TIMEOUT_MS = 30_000;

export function qmpTimeout({ ioTimeout }: { readonly ioTimeout: number }): number {
  return ioTimeout === 0 ? QMP_TIMEOUT_MS : ioTimeout;
}
