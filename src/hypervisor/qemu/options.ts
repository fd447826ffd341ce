// The options of `migrate` and `incoming`: those of `send` and `receive`, and the guest's. Validated once, at the start.

import { z } from 'zod';

import { RamferryError } from '../../errors.js';
import { parseAddress } from '../../link/address.js';
import { DOWNTIME_LIMIT_MS, MAX_ROUNDS } from '../../model/precopy.js';
import type { Exact } from '../../options/exact.js';
import type { IncomingOptions, MigrateOptions } from '../../options/migrate.js';
import { LIMITS, quantity, receiveSchema, resolve, sendSchema } from '../../options/transfer.js';
import { parseDuration } from '../../units.js';

/** `unix:PATH` or a path, as a path. */
const monitor = z.string().transform((text) => {
  const address = parseAddress(text);
  if (address.kind === 'unix' || address.kind === 'file') return address.path;
  throw new RamferryError('ERR_OPTION_INVALID', `qmp: '${text}' is not a unix socket`, {
    hint: 'write --qmp unix:PATH, where QEMU has -qmp unix:PATH,server=on,wait=off',
  });
});

const address = z.string().min(1);

const guest = {
  /** QEMU's monitor socket, which no other client may use during the migration. */
  qmp: monitor,
  /**
   * The files of the guest's RAM, one for each memory backend, in any order: they are matched by the backends' ids.
   * Default: the files that QEMU names. With `ramUnchecked`: required, in the same order on both sides.
   */
  ram: z.array(z.string().min(1)).readonly().default([]),
  /** QEMU's process. Default: the process that holds the monitor's socket. */
  qemuPid: z.int().min(1).optional(),
  /** Use the named files even without proof that they are this guest's RAM. */
  ramUnchecked: z.boolean().default(false),
};

function withGuest<T extends { readonly ram: readonly string[]; readonly ramUnchecked: boolean }>(
  options: T,
): T {
  if (!options.ramUnchecked || options.ram.length > 0) return options;
  throw new RamferryError('ERR_OPTION_INVALID', 'ramUnchecked: no RAM file is named', {
    hint: 'name the RAM files with --ram, in the same order on both sides',
  });
}

const migrateSchema = sendSchema
  .omit({ input: true, method: true, format: true, window: true, oneWay: true, sync: true, directIo: true })
  .extend({
    ...guest,
    output: address,
    /** Target downtime in milliseconds. */
    downtimeLimit: quantity('downtimeLimit', parseDuration, LIMITS.timeout).default(DOWNTIME_LIMIT_MS),
    /** Most rounds while the guest runs; then it is stopped, even if the downtime limit is exceeded. */
    maxRounds: z.int().min(1).max(10_000).default(MAX_ROUNDS),
    /** Compare all RAM of both sides before the handover; counts as downtime. */
    verifyRam: z.boolean().default(false),
    /** End the source's QEMU when the destination runs the guest. */
    quitSource: z.boolean().default(false),
  });

const incomingSchema = receiveSchema
  .omit({ output: true, passThrough: true, oneWay: true, sync: true, directIo: true })
  .extend({ ...guest, input: address });

true satisfies Exact<z.input<typeof migrateSchema>, MigrateOptions>;
true satisfies Exact<z.input<typeof incomingSchema>, IncomingOptions>;

export type ResolvedMigrateOptions = z.output<typeof migrateSchema>;
export type ResolvedIncomingOptions = z.output<typeof incomingSchema>;

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveMigrateOptions(options: MigrateOptions): ResolvedMigrateOptions {
  return withGuest(resolve(migrateSchema, options));
}

/** @throws RamferryError ERR_OPTION_INVALID */
export function resolveIncomingOptions(options: IncomingOptions): ResolvedIncomingOptions {
  return withGuest(resolve(incomingSchema, options));
}

/** QMP commands are bounded also where a silent link is not: milliseconds for each. */
const QMP_TIMEOUT_MS = 30_000;

export function qmpTimeout({ ioTimeout }: { readonly ioTimeout: number }): number {
  return ioTimeout === 0 ? QMP_TIMEOUT_MS : ioTimeout;
}
