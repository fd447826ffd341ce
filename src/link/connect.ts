// Connects to a listener over tcp or a unix socket. Retries until there is a listener, or the timeout ends.

import net from 'node:net';
import { RamferryError } from '../errors.js';
import { AwakeTimer } from '../os/awake-timer.js';
import { abortError, asError, systemCode, systemText } from '../io/system-error.js';
import { formatAddress, type Address } from './address.js';
import { DEFAULT_CONNECT_TIMEOUT_MS, ioTimeoutOf, type OpenOptions } from './options.js';
import { retryUntil } from './retry.js';
import { handleOf } from './handle.js';
import { SocketLink } from './socket.js';
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

function connectOnce(peer: Peer, options: OpenOptions, left: number): Promise<SocketLink> {
  return new Promise((resolve, reject) => {
    const label = formatAddress(peer);
    const link = new SocketLink(
      { label, readable: true, writable: true, ioTimeout: ioTimeoutOf(options), signal: options.signal },
      (how) =>
        peer.kind === 'unix'
          ? net.connect({ ...how, path: peer.path })
          : net.connect({
              ...how,
              host: peer.host,
              port: peer.port,
              noDelay: true,
              keepAlive: true,
              keepAliveInitialDelay: KEEP_ALIVE_MS,
            }),
    );
    const { socket } = link;
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
        const { greeting, sendBuffer } = options;
        if (peer.kind === 'tcp') boundUnsent(handleOf(socket));
        else if (sendBuffer !== undefined) setSendBuffer(handleOf(socket), sendBuffer);
        if (greeting === undefined) resolve(link);
        else {
          // If the greeting cannot be written, the first read fails.
          const greeted = (): void => resolve(link);
          void link.sink!.write(greeting).then(greeted, greeted);
        }
      }
    });
  });
}

/** @throws ERR_LINK_CONNECT, or the signal's reason */
export async function connectTo(peer: Peer, options: OpenOptions): Promise<SocketLink> {
  const patience = options.connectTimeout ?? DEFAULT_CONNECT_TIMEOUT_MS;
  let lastError = 'no answer';
  try {
    return await retryUntil(
      patience,
      options.signal,
      (left) => connectOnce(peer, options, left),
      (thrown) => {
        if (options.signal?.aborted === true) return false;
        lastError = systemText(thrown);
        return TRANSIENT_ERRORS.has(systemCode(thrown) ?? '');
      },
    );
  } catch (thrown) {
    if (options.signal?.aborted === true) throw abortError(options.signal);
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
