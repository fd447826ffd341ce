// How a listening socket is bound, and how an accepted connection becomes a link: the same for a listener that waits for one peer
// (listen.ts) and for one that accepts connections until it is closed (acceptor.ts).

import fs from 'node:fs';
import net from 'node:net';

import { RamferryError } from '../../errors.js';
import { listenPrivately, type SocketAccess } from '../../io/private-socket.js';
import { systemCode, systemText } from '../../io/system-error.js';
import { type Address, formatAddress, isAbstract, socketName } from '../address.js';
import { KEEP_ALIVE_MS } from '../connect.js';
import { handleOf, takeHandle } from '../handle.js';
import type { PeerLink } from '../peer-link.js';
import { socketLinkOfHandle } from '../socket.js';
import type { TlsGate } from '../tls/gate.js';
import { boundUnsent } from '../unsent.js';
import type { AllowList } from './allow-list.js';
import type { Origin } from './strangers.js';

/** An address that listens. */
export type Place = Extract<Address, { kind: 'tcp-listen' | 'unix-listen' }>;

/** @param host an address of IPv4 or IPv6 */
export function isLoopback(host: string): boolean {
  return host === '::1' || /^(::ffff:)?127\./i.test(host);
}

/** The address at which other hosts reach a listener; undefined where they do not. */
export function exposedHost(server: net.Server): string | undefined {
  const bound = server.address();
  const host = bound === null || typeof bound === 'string' ? undefined : bound.address;
  return host === undefined || isLoopback(host) ? undefined : host;
}

/** What the user must know of who can connect; undefined where nothing is to be said. */
export function exposureWarning(server: net.Server, place: Place): string | undefined {
  const host = exposedHost(server);
  if (host !== undefined) {
    return (
      `listening on ${host}: every host that reaches this port can connect, and guest memory crosses the network ` +
      'unencrypted; give both sides --tls-creds, or use a trusted network or a tunnel'
    );
  }
  if (place.kind !== 'unix-listen' || !isAbstract(place.path)) return undefined;
  return `every process of this host can connect to ${formatAddress(place)}: a path has permissions`;
}

/** @returns a function that removes the name of a unix socket */
export function bind(server: net.Server, place: Place, access?: SocketAccess): (() => void) | undefined {
  if (place.kind === 'tcp-listen') server.listen({ host: place.host, port: place.port });
  else if (isAbstract(place.path)) server.listen({ path: socketName(place.path), exclusive: true });
  else return listenPrivately(server, place.path, access);
  return undefined;
}

/** Removes a unix socket that a killed process has left behind. An abstract one has gone with its process. */
export async function removeAbandoned(place: Place): Promise<void> {
  if (place.kind === 'unix-listen' && !isAbstract(place.path) && (await isAbandoned(place.path)))
    fs.rmSync(place.path, { force: true });
}

/** Whether the path is a socket without a listener, which a killed process has left behind. */
function isAbandoned(path: string): Promise<boolean> {
  if (fs.lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (thrown) => resolve(systemCode(thrown) === 'ECONNREFUSED'));
  });
}

/** The address that the other side must connect to. */
export function peerAddress(server: net.Server, place: Place): string {
  const bound = server.address();
  if (place.kind === 'unix-listen' || bound === null || typeof bound === 'string') {
    return formatAddress({ kind: 'unix', path: place.kind === 'unix-listen' ? place.path : '' });
  }
  return formatAddress({ kind: 'tcp', host: bound.address, port: bound.port });
}

/** An accepted connection as a link, and where it comes from. */
export interface Accepted extends Origin {
  readonly link: PeerLink;
  /** TLS: the name that the other side has proved: of its certificate (RFC 4514), or its pre-shared identity. */
  readonly provenName?: string | undefined;
}

function remoteAddress({ remoteAddress: host, remotePort: port }: net.Socket): string {
  // Undefined when the connection was reset before it was accepted.
  if (host === undefined || port === undefined) return 'an unknown address';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** How accepted connections become links. */
export interface Acceptance {
  readonly label: string;
  readonly ioTimeout: number;
  readonly signal?: AbortSignal | undefined;
  /** Where connections make their TLS handshake; undefined = bytes travel in the clear. */
  readonly gate?: TlsGate | undefined;
  /** Hosts that may connect; undefined = any. */
  readonly allow?: AllowList | undefined;
  /** Called for each connection of a host that may not connect. */
  readonly onTurnedAway: (origin: Origin, why: string) => void;
  /** Called for each connection that has become a link: at once, or after its handshake. */
  readonly onAccepted: (accepted: Accepted) => void;
}

/** Takes over a connection that has read nothing. One that the peer has closed already is dropped. */
export function accept(socket: net.Socket, kind: Place['kind'], acceptance: Acceptance): void {
  const { label, ioTimeout, signal, gate, allow, onTurnedAway, onAccepted } = acceptance;
  const tcp = kind === 'tcp-listen';
  const host = socket.remoteAddress ?? '';
  const from = tcp ? remoteAddress(socket) : 'a local process';
  if (tcp && allow?.has(host) === false) {
    socket.destroy();
    onTurnedAway({ from, host }, 'its address is in no range of --allow');
    return;
  }
  let link: PeerLink;
  try {
    if (tcp) socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    if (tcp) boundUnsent(handleOf(socket));
    if (gate !== undefined) {
      gate.admit(socket, { from, host }, (secured) => {
        onAccepted({ link: secured, from, host, provenName: secured.provenName });
      });
      return;
    }
    // The socket has read nothing, because its connection is taken out at once.
    const handle = takeHandle(socket);
    link = socketLinkOfHandle(handle, { label, ioTimeout, signal, readable: true, writable: true });
  } catch {
    socket.destroy();
    return;
  }
  onAccepted({ link, from, host });
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another process listens there; a socket that a killed process left behind is replaced with --force',
  EPERM: 'the user must belong to the group of --socket-group',
};

/** The error of an address that cannot listen. */
export function listenError(place: Place, thrown: unknown): RamferryError {
  if (thrown instanceof RamferryError) return thrown;
  const code = systemCode(thrown);
  return new RamferryError(
    'ERR_LINK_LISTEN',
    `cannot listen on ${formatAddress(place)}: ${systemText(thrown)}`,
    {
      hint: HINTS[code ?? ''] ?? 'check the address and the permissions',
      cause: thrown,
    },
  );
}
