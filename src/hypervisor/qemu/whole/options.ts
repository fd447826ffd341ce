// The door of `qemu-migrate`: options checked and completed by the table (src/options/rows/qemu-migrate.ts), and the addresses in them.

import { RamferryError } from '../../../errors.js';
import { type Address, parseAddress } from '../../../link/address.js';
import type { Exact } from '../../../options/exact.js';
import type { TransferHooks } from '../../../options/rows/common.js';
import type { QemuMigrateOptions } from '../../../options/rows/qemu-migrate.js';
import type { SendOptions } from '../../../options/rows/send.js';
import { resolveOptions } from '../../../options/schema.js';
import { type GivenFor, givenOfSend, type ValuesFor } from '../../../options/table.js';
import { TRANSFER_HOOKS } from '../../../options/transfer.js';
import { UNIX_PATH_LIMIT } from '../../../io/private-socket.js';
import type { MonitorAddress } from '../qmp/client.js';

true satisfies Exact<GivenFor<'qemu-migrate'> & TransferHooks, QemuMigrateOptions>;

/** Checked options, with their addresses parsed. */
export interface ResolvedQemuMigrateOptions {
  readonly values: ValuesFor<'qemu-migrate'> & TransferHooks;
  readonly source: MonitorAddress;
  readonly destination: MonitorAddress;
  /** Where QEMU's stream comes in. */
  readonly outgoing: StreamSocket;
  /** Where the destination's QEMU is told to listen; undefined: it listens already. */
  readonly incoming: string | undefined;
  /** What send takes of the given options. */
  readonly send: Omit<SendOptions, 'input' | 'output'>;
}

/** A socket as ramferry listens on it, and as QEMU connects to it. */
export interface StreamSocket {
  readonly listen: string;
  /** Undefined: the address that the listener reports. */
  readonly uri: string | undefined;
}

/** @throws RamferryError ERR_OPTION_INVALID, ERR_LINK_ADDRESS */
export function resolveQemuMigrateOptions(options: QemuMigrateOptions): ResolvedQemuMigrateOptions {
  const values = resolveOptions<'qemu-migrate', TransferHooks>('qemu-migrate', TRANSFER_HOOKS, options);
  const source = monitorAddress('qmp', values.qmp);
  const destination = monitorAddress('destinationQmp', values.destinationQmp);
  if (values.qmp === values.destinationQmp) {
    throw new RamferryError('ERR_OPTION_INVALID', 'destinationQmp: it is the monitor of the source');
  }
  if (values.output !== undefined) socketAddress('output', values.output);
  return {
    ...{ values, source, destination },
    outgoing: outgoing(values.outgoing, source),
    incoming: values.incoming ?? (values.output === undefined ? besideDestination(destination) : undefined),
    // send fills in the defaults, and distinguishes them from given values.
    send: givenOfSend('qemu-migrate', options),
  };
}

function monitorAddress(name: string, text: string): MonitorAddress {
  const address = parseAddress(text);
  if (address.kind === 'unix' || address.kind === 'file') return address.path;
  if (address.kind === 'tcp') return { host: address.host, port: address.port };
  throw new RamferryError('ERR_OPTION_INVALID', `${name}: '${text}' is neither a unix nor a tcp socket`, {
    hint: 'write unix:PATH or tcp:HOST:PORT, where QEMU has -qmp ADDRESS,server=on,wait=off',
  });
}

function socketAddress(name: string, text: string): Address & { readonly kind: 'tcp' | 'unix' } {
  const address = parseAddress(text);
  if (address.kind === 'tcp' || address.kind === 'unix') return address;
  throw new RamferryError('ERR_OPTION_INVALID', `${name}: '${text}' is neither a tcp nor a unix socket`, {
    hint: "write tcp:HOST:PORT or unix:PATH: bytes must flow both ways, for QEMU's return path",
  });
}

function outgoing(given: string | undefined, source: MonitorAddress): StreamSocket {
  if (given === undefined) {
    if (typeof source !== 'string') return { listen: 'tcp-listen:127.0.0.1:0', uri: undefined };
    const path = besideMonitor('qmp', source, 'out');
    return { listen: `unix-listen:${path}`, uri: `unix:${path}` };
  }
  const address = socketAddress('outgoing', given);
  return address.kind === 'unix'
    ? { listen: `unix-listen:${address.path}`, uri: `unix:${address.path}` }
    : { listen: given.replace(/^tcp:/, 'tcp-listen:'), uri: address.port === 0 ? undefined : given };
}

function besideDestination(destination: MonitorAddress): string {
  if (typeof destination === 'string') {
    return `unix:${besideMonitor('destinationQmp', destination, 'in')}`;
  }
  throw new RamferryError('ERR_OPTION_INVALID', 'incoming: it is required, because the monitor has no path', {
    hint: "write --incoming unix:PATH, or name the destination's `ramferry receive`: tcp:HOST:PORT",
  });
}

function besideMonitor(name: string, monitor: string, suffix: string): string {
  const path = `${monitor}.${suffix}-${process.pid}`;
  if (Buffer.byteLength(path) <= UNIX_PATH_LIMIT) return path;
  throw new RamferryError(
    'ERR_OPTION_INVALID',
    `${name}: ${monitor} is too long for a second socket beside it`,
    { hint: `${path} must have at most ${UNIX_PATH_LIMIT} bytes: use --outgoing and --incoming` },
  );
}
