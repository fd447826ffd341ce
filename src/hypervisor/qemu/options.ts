// The options of `migrate` and `incoming`: what `send` and `receive` have, and the guest. Checked once, at the door.

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
  throw new RamferryError('ERR_OPTION_INVALID', `qmp: '${text}' is no unix socket`, {
    hint: 'write --qmp unix:PATH, where QEMU has -qmp unix:PATH,server=on,wait=off',
  });
});

const address = z.string().min(1);

const guest = {
  /** QEMU's monitor socket, which belongs to us for as long as this takes. */
  qmp: monitor,
  /**
   * The files that are the guest's RAM, one for each memory backend, in any order: the backends' ids say which is which.
   * Default: the files that QEMU says. With `ramUnchecked`: needed, in the same order on both sides.
   */
  ram: z.array(z.string().min(1)).readonly().default([]),
  /** QEMU's process. Default: the process that holds the monitor's socket. */
  qemuPid: z.int().min(1).optional(),
  /** Take the files as they are named where it cannot be proven that they are this guest's RAM. */
  ramUnchecked: z.boolean().default(false),
};

function withGuest<T extends { readonly ram: readonly string[]; readonly ramUnchecked: boolean }>(
  options: T,
): T {
  if (!options.ramUnchecked || options.ram.length > 0) return options;
  throw new RamferryError('ERR_OPTION_INVALID', 'ramUnchecked: there is no RAM file to take as it is named', {
    hint: 'name the RAM files with --ram, in the same order on both sides',
  });
}

const migrateSchema = sendSchema
  .omit({ input: true, method: true, format: true, window: true, oneWay: true, sync: true, directIo: true })
  .extend({
    ...guest,
    output: address,
    /** Milliseconds of downtime that are aimed at. */
    downtimeLimit: quantity('downtimeLimit', parseDuration, LIMITS.timeout).default(DOWNTIME_LIMIT_MS),
    /** Rounds while the guest runs, after which it is stopped whatever is left. */
    maxRounds: z.int().min(1).max(10_000).default(MAX_ROUNDS),
    /** Compare all RAM of both sides before the hand-over; counts as downtime. */
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
