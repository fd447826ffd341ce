// Connects to a listener over tcp or a unix socket. Retries until there is a listener, or the timeout ends.

import net from 'node:net';
import { RamferryError } from '../errors.js';
import { onAbort } from '../io/abort-signal.js';
import { AwakeTimer } from '../os/time/awake-timer.js';
import { abortError, asError, systemCode, systemText } from '../io/system-error.js';
import { formatAddress, type Address, socketName } from './address.js';
import { DEFAULT_CONNECT_TIMEOUT_MS, ioTimeoutOf, type OpenOptions } from './options.js';
import { retryUntil } from './retry.js';
import { handleOf } from './handle.js';
import type { PeerLink } from './peer-link.js';
import { SocketLink } from './socket.js';
import type { TlsSettings } from './tls/settings.js';
import { boundUnsent, setSendBuffer } from './unsent.js';

type Peer = Extract<Address, { kind: 'tcp' | 'unix' }>;

/** Idle time before the first keep-alive probe. A dead peer is found after ten more probes, a second apart. */
export const KEEP_ALIVE_MS = 10_000;

/** Errors after which a retry may succeed: no listener yet, or no route to it. EAGAIN: the unix listener's queue is full. */
const TRANSIENT_ERRORS = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'ECONNRESET',
  'EADDRNOTAVAIL',
  'EAGAIN',
  'EAI_AGAIN',
]);

function dial(peer: Peer, how: net.SocketConstructorOpts, { lookup }: OpenOptions): net.Socket {
  if (peer.kind === 'unix') return net.connect({ ...how, path: socketName(peer.path) });
  const { host, port } = peer;
  const alive = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  return net.connect({ ...how, host, port, ...alive, ...(lookup === undefined ? {} : { lookup }) });
}

/** One attempt to connect, within so many milliseconds. */
type Attempt = (left: number) => Promise<PeerLink>;

function inTheClear(peer: Peer, options: OpenOptions): Attempt {
  return async (left) => {
    const label = formatAddress(peer);
    const link = new SocketLink(
      { label, readable: true, writable: true, ioTimeout: ioTimeoutOf(options), signal: options.signal },
      (how) => dial(peer, how, options),
    );
    await connected(link.socket, peer, options, left);
    return link;
  };
}

/**
 * The attempts reject with ERR_LINK_TLS, ERR_LINK_TIMEOUT, or what {@link connected} rejects with.
 * @throws ERR_USAGE, ERR_TLS_CREDENTIALS
 */
async function underTls(peer: Peer, settings: TlsSettings, options: OpenOptions): Promise<Attempt> {
  const { loadCredentials, needsHostname } = await import('./tls/credentials.js');
  const { secureClient } = await import('./tls/handshake.js');
  const { signal, onWarning } = options;
  const label = formatAddress(peer);
  const host = peer.kind === 'tcp' ? peer.host : undefined;
  const credentials = loadCredentials(settings, 'client', onWarning);
  if (needsHostname(credentials, settings.hostname ?? host)) {
    throw new RamferryError('ERR_USAGE', `${label} has no host whose name a certificate could bear`, {
      hint: 'name the host of the certificate with --tls-hostname',
    });
  }
  const handshake = { label, settings, credentials, host, ioTimeout: ioTimeoutOf(options), signal };
  return async (left) => {
    const socket = dial(peer, { allowHalfOpen: true }, options);
    const forget = onAbort(signal, () => socket.destroy());
    await connected(socket, peer, options, left).finally(forget);
    return secureClient(socket, handshake);
  };
}

/** Resolves when the socket is connected. Rejects with its error, and closes it when the time is over. */
function connected(socket: net.Socket, peer: Peer, options: OpenOptions, left: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown;
    const timer =
      left === Infinity
        ? undefined
        : AwakeTimer.start(left, () => {
            failure = new RamferryError('ERR_LINK_CONNECT', 'the time is over');
            socket.destroy();
          });
    socket.once('error', (thrown) => {
      failure = thrown;
    });
    // Called after an error, after the timer, and after an abort; each has recorded its reason.
    const onClose = (): void => {
      timer?.cancel();
      reject(asError(failure ?? options.signal?.reason));
    };
    socket.once('close', onClose);
    socket.once('connect', () => {
      timer?.cancel();
      socket.off('close', onClose);
      // A client that connects to an ephemeral port of its own host can connect to itself (TCP simultaneous open).
      if (
        peer.kind === 'tcp' &&
        socket.localPort === socket.remotePort &&
        socket.localAddress === socket.remoteAddress
      ) {
        socket.destroy();
        reject(Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' }));
      } else {
        const { sendBuffer } = options;
        if (peer.kind === 'tcp') boundUnsent(handleOf(socket));
        else if (sendBuffer !== undefined) setSendBuffer(handleOf(socket), sendBuffer);
        resolve();
      }
    });
  });
}

/** @throws ERR_LINK_CONNECT, with TLS also ERR_LINK_TLS, ERR_TLS_CREDENTIALS and ERR_LINK_TIMEOUT, or the signal's reason */
export async function connectTo(peer: Peer, options: OpenOptions): Promise<PeerLink> {
  const patience = options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS;
  let lastError = 'no answer';
  try {
    const attempt =
      options.tls === undefined ? inTheClear(peer, options) : await underTls(peer, options.tls, options);
    const link = await retryUntil(patience, options.signal, attempt, (thrown) => {
      if (options.signal?.aborted === true) return false;
      lastError = systemText(thrown);
      return TRANSIENT_ERRORS.has(systemCode(thrown) ?? '');
    });
    // If the greeting cannot be written, the first read fails.
    if (options.greeting !== undefined) await link.sink!.write(options.greeting()).catch(() => undefined);
    return link;
  } catch (thrown) {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    if (thrown instanceof RamferryError && thrown.code !== 'ERR_LINK_CONNECT') throw thrown;
    const why = thrown instanceof RamferryError ? lastError : systemText(thrown);
    const tried =
      TRANSIENT_ERRORS.has(systemCode(thrown) ?? '') && patience > 0
        ? ` (tried for ${patience / 1000} s)`
        : '';
    throw new RamferryError('ERR_LINK_CONNECT', `cannot connect to ${formatAddress(peer)}: ${why}${tried}`, {
      hint: 'check the address, and that the other side listens and no firewall stands between',
      cause: thrown,
    });
  }
}
