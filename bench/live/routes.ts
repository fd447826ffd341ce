// The way from the source's QEMU to the destination's: directly, through `send` and `receive`, or through servers that run already.
// Opens the way and says to which address the source migrates.

import { join } from 'node:path';

import { Ferry } from '../../lab/ferry.js';
import type { Network } from '../../lab/network.js';
import { SHIPPED_COMMAND } from '../../lab/places.js';
import type { Machine } from '../../lab/qemu/machine.js';
import type { Cell } from './cells.js';
import type { LiveServers } from './servers.js';

/** TCP port of the receiving side. */
const PORT = 4444;

/** Between which machines a guest travels, and over what. */
export interface Voyage {
  readonly source: Machine;
  readonly destination: Machine;
  readonly network: Network;
  /** Of a cell with `serve`. */
  readonly servers?: LiveServers | undefined;
}

export interface Route {
  /** For the source's `migrate`. */
  readonly uri: string;
  /** Programs that carry only this guest. */
  readonly ferries: readonly Ferry[];
}

/** @param directory for sockets */
export function openRoute(cell: Cell, voyage: Voyage, directory: string): Promise<Route> {
  if (voyage.servers !== undefined) return served(voyage.destination, voyage.servers);
  return cell.send === undefined ? direct(voyage) : ferried(cell.send, voyage, directory);
}

async function direct({ destination, network }: Voyage): Promise<Route> {
  const uri = `tcp:${network.address}:${PORT}`;
  await destination.qmp.execute('migrate-incoming', { uri });
  return { uri, ferries: [] };
}

async function served(destination: Machine, servers: LiveServers): Promise<Route> {
  await destination.qmp.execute('migrate-incoming', { uri: servers.incoming });
  return { uri: servers.outgoing, ferries: [] };
}

async function ferried(
  options: readonly string[],
  { destination, network }: Voyage,
  directory: string,
): Promise<Route> {
  const path = (what: string): string => join(directory, `${destination.process.pid}.${what}`);
  await destination.qmp.execute('migrate-incoming', { uri: `unix:${path('in')}` });
  const receive = new Ferry(
    ['receive', `tcp-listen:${network.address}:${PORT}`, `unix:${path('in')}`],
    network.destination,
    SHIPPED_COMMAND,
  );
  await receive.listening();
  const send = new Ferry(
    ['send', `unix-listen:${path('out')}`, `tcp:${network.address}:${PORT}`, ...options],
    network.source,
    SHIPPED_COMMAND,
  );
  await send.listening();
  return { uri: `unix:${path('out')}`, ferries: [send, receive] };
}
