// Waiting for one connection, over tcp or a unix socket. It is the only one: the listening socket closes with it.
import fs from 'node:fs';
import net from 'node:net';
import { RamferryError } from '../errors.js';
import { abortError, asError, systemCode, systemText } from '../io/system-error.js';
import { formatAddress, type Address } from './address.js';
import { KEEP_ALIVE_MS } from './connect.js';
import { takeHandle, type StreamHandle } from './handle.js';
import { ioTimeoutOf, type OpenOptions } from './options.js';
import { socketLinkOfHandle, type SocketLink } from './socket.js';
import { boundUnsent } from './unsent.js';

type Place = Extract<Address, { kind: 'tcp-listen' | 'unix-listen' }>;

/** Read, write and search for nobody but the owner. */
const PRIVATE_UMASK = 0o177;

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.') || host.startsWith('::ffff:127.');
}

function bind(server: net.Server, place: Place): void {
  if (place.kind === 'tcp-listen') {
    server.listen({ host: place.host, port: place.port });
    return;
  }
  // Node binds a path before listen() returns: the socket never exists with wider permissions.
  const before = process.umask(PRIVATE_UMASK);
  try {
    server.listen({ path: place.path });
  } finally {
    process.umask(before);
  }
}

/** Whether the path is a socket that nobody listens on: left behind by a process that was killed. */
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

/** The address for the other side to connect to. */
function peerAddress(server: net.Server, place: Place): string {
  const bound = server.address();
  if (place.kind === 'unix-listen' || bound === null || typeof bound === 'string') {
    return formatAddress({ kind: 'unix', path: place.kind === 'unix-listen' ? place.path : '' });
  }
  return formatAddress({ kind: 'tcp', host: bound.address, port: bound.port });
}

function onListening(server: net.Server, place: Place, options: OpenOptions): void {
  const bound = server.address();
  if (bound !== null && typeof bound === 'object' && !isLoopback(bound.address)) {
    options.onWarning?.(
      `listening on ${bound.address}: whoever reaches this port can connect, and guest memory crosses the network ` +
        'unencrypted; use a trusted network or a tunnel',
    );
  }
  options.onListening?.(peerAddress(server, place));
}

function acceptOne(place: Place, options: OpenOptions): Promise<StreamHandle> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    // Reads nothing: the connection is taken out of this socket at once.
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      server.close(); // unlinks the path of a unix socket, too
    };
    const onAbort = (): void => {
      stop();
      reject(abortError(signal!));
    };
    server.once('error', (thrown) => {
      stop();
      reject(thrown);
    });
    server.once('listening', () => onListening(server, place, options));
    server.once('connection', (socket) => {
      stop();
      if (place.kind === 'tcp-listen') socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
      try {
        const handle = takeHandle(socket);
        if (place.kind === 'tcp-listen') boundUnsent(handle);
        resolve(handle);
      } catch (thrown) {
        reject(asError(thrown));
      }
    });
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    if (options.connectTimeout !== undefined && options.connectTimeout > 0) {
      timer = setTimeout(() => {
        stop();
        const seconds = (options.connectTimeout ?? 0) / 1000;
        reject(
          new RamferryError(
            'ERR_LINK_TIMEOUT',
            `nobody connected to ${formatAddress(place)} for ${seconds} s`,
            {
              hint: 'start the other side, or allow more time with --connect-timeout',
            },
          ),
        );
      }, options.connectTimeout);
    }
    try {
      bind(server, place);
    } catch (thrown) {
      stop();
      reject(asError(thrown));
    }
  });
}

/** Rejects with ERR_LINK_LISTEN, or ERR_LINK_TIMEOUT when nobody came. */
export async function listenOn(place: Place, options: OpenOptions): Promise<SocketLink> {
  const label = formatAddress(place);
  let handle: StreamHandle;
  try {
    if (place.kind === 'unix-listen' && options.force === true && (await isAbandoned(place.path))) {
      fs.rmSync(place.path, { force: true });
    }
    handle = await acceptOne(place, options);
  } catch (thrown) {
    if (thrown instanceof RamferryError) throw thrown;
    const taken = systemCode(thrown) === 'EADDRINUSE';
    throw new RamferryError('ERR_LINK_LISTEN', `cannot listen on ${label}: ${systemText(thrown)}`, {
      hint: taken
        ? 'somebody else listens there; a socket that a killed process left behind is replaced with --force'
        : 'check the address and the permissions',
      cause: thrown,
    });
  }
  const { signal } = options;
  return socketLinkOfHandle(handle, {
    label,
    readable: true,
    writable: true,
    ioTimeout: ioTimeoutOf(options),
    signal,
  });
}
