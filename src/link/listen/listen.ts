// Waits for the peer's connection over tcp or a unix socket. The only module that accepts connections from other hosts.
// The listening socket stays open until newcomers.ts has identified the peer.

import fs from 'node:fs';
import net from 'node:net';
import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { AwakeTimer } from '../../os/awake-timer.js';
import type { Channel } from '../../io/bytes.js';
import { listenPrivately } from '../../io/private-socket.js';
import { abortError, asError, systemCode, systemText } from '../../io/system-error.js';
import { formatAddress, type Address } from '../address.js';
import { KEEP_ALIVE_MS } from '../connect.js';
import { takeHandle } from '../handle.js';
import { Newcomers } from './newcomers.js';
import { ioTimeoutOf, type OpenOptions, type PeerRules } from '../options.js';
import { socketLinkOfHandle, type SocketLink } from '../socket.js';
import { UndecidedChannel } from './undecided.js';
import { boundUnsent } from '../unsent.js';

type Place = Extract<Address, { kind: 'tcp-listen' | 'unix-listen' }>;

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.') || host.startsWith('::ffff:127.');
}

/** @returns a function that removes the name of a unix socket */
function bind(server: net.Server, place: Place): (() => void) | undefined {
  if (place.kind === 'unix-listen') return listenPrivately(server, place.path);
  server.listen({ host: place.host, port: place.port });
  return undefined;
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
      `listening on ${bound.address}: every host that reaches this port can connect, and guest memory crosses the network ` +
        'unencrypted; use a trusted network or a tunnel',
    );
  }
  options.onListening?.(peerAddress(server, place));
}

/** Silence after which connections count as waiting for bytes from this side. */
const SILENT_MS = 500;

/** The rules where the caller gives none: the first connection is the peer. */
const FIRST_COMER: PeerRules = { judge: () => ({ wanted: 0, feed: () => undefined }), silence: 0 };

function remoteAddress({ remoteAddress: host, remotePort: port }: net.Socket): string {
  // Undefined when the connection was reset before it was accepted.
  if (host === undefined || port === undefined) return 'an unknown address';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** One listening socket, from bind() until the peer is identified. */
class Listener {
  readonly #place: Place;
  readonly #options: OpenOptions;
  readonly #label: string;
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  readonly #newcomers: Newcomers;
  readonly #rules: PeerRules;
  readonly #peer = deferred<Channel>();
  /** The peer's channel, or an undecided channel while the peer is unknown. */
  readonly #opened = deferred<Channel>();
  #undecided: UndecidedChannel | undefined;
  #timer: AwakeTimer | undefined;
  #silenceTimer: NodeJS.Timeout | undefined;
  #late = false;
  #forget = (): void => undefined;
  #removeName: (() => void) | undefined;

  constructor(place: Place, options: OpenOptions) {
    this.#place = place;
    this.#options = options;
    this.#label = formatAddress(place);
    this.#rules = options.peer ?? FIRST_COMER;
    const { onWarning, greeting } = options;
    this.#newcomers = new Newcomers({
      rules: this.#rules,
      onWarning,
      onPeer: (link) => this.#settle(link),
      onNone: () => this.#onNone(),
    });
    if (greeting !== undefined) this.#newcomers.broadcast(greeting);
    this.#server.on('error', (thrown) => this.#onError(thrown));
    this.#server.once('listening', () => onListening(this.#server, place, options));
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  open(): Promise<Channel> {
    const { signal, connectTimeout = 0 } = this.#options;
    this.#forget = onAbort(signal, () => this.#fail(abortError(signal!)));
    if (signal?.aborted === true) return this.#opened.promise;
    if (connectTimeout > 0) this.#timer = AwakeTimer.start(connectTimeout, () => this.#onLate());
    try {
      this.#removeName = bind(this.#server, this.#place);
    } catch (thrown) {
      this.#fail(thrown);
    }
    return this.#opened.promise;
  }

  #onError(thrown: unknown): void {
    if (!this.#server.listening) this.#fail(thrown);
    // A connection that cannot be accepted, because no descriptor is left, does not end the listener.
    else this.#options.onWarning?.(`${this.#label} cannot accept a connection: ${systemText(thrown)}`);
  }

  #accept(socket: net.Socket): void {
    const tcp = this.#place.kind === 'tcp-listen';
    const host = socket.remoteAddress ?? '';
    const from = tcp ? remoteAddress(socket) : 'a local process';
    let link: SocketLink;
    try {
      if (tcp) socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
      // The socket has read nothing, because its connection is taken out at once.
      const handle = takeHandle(socket);
      if (tcp) boundUnsent(handle);
      const { signal } = this.#options;
      const ioTimeout = ioTimeoutOf(this.#options);
      const both = { readable: true, writable: true };
      link = socketLinkOfHandle(handle, { label: this.#label, ...both, ioTimeout, signal });
    } catch {
      socket.destroy();
      return; // The peer has closed the connection already.
    }
    if (this.#rules.mayListenFirst === true && this.#undecided === undefined) {
      this.#silenceTimer ??= setTimeout(() => this.#openUndecided(), SILENT_MS);
    }
    this.#newcomers.add({ link, from, host });
  }

  #openUndecided(): void {
    this.#undecided = new UndecidedChannel({
      label: this.#label,
      newcomers: this.#newcomers,
      peer: this.#peer.promise,
      stop: (reason) => this.#fail(reason),
    });
    this.#opened.resolve(this.#undecided);
  }

  #settle(link: SocketLink): void {
    this.#stop();
    link.source!.patience?.(ioTimeoutOf(this.#options));
    this.#undecided?.settle(link);
    this.#peer.resolve(link);
    this.#opened.resolve(link);
  }

  #onNone(): void {
    if (this.#undecided === undefined) {
      clearTimeout(this.#silenceTimer);
      this.#silenceTimer = undefined;
    }
    if (this.#late) this.#onLate();
  }

  #onLate(): void {
    this.#late = true;
    if (this.#newcomers.size > 0) return;
    const seconds = (this.#options.connectTimeout ?? 0) / 1000;
    this.#fail(
      new RamferryError('ERR_LINK_TIMEOUT', `no peer connected to ${this.#label} for ${seconds} s`, {
        hint: 'start the other side, or allow more time with --connect-timeout',
      }),
    );
  }

  #fail(thrown: unknown): void {
    this.#stop();
    this.#newcomers.close();
    this.#peer.reject(asError(thrown));
    this.#opened.reject(asError(thrown));
  }

  #stop(): void {
    this.#timer?.cancel();
    clearTimeout(this.#silenceTimer);
    this.#forget();
    this.#server.close();
    this.#removeName?.();
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: Error) => void;
}

/** A promise without the warning about an unhandled rejection: not every listener has a reader that waits for the peer. */
function deferred<T>(): Deferred<T> {
  let [resolve, reject]: [Deferred<T>['resolve'], Deferred<T>['reject']] = [() => undefined, () => undefined];
  const promise = new Promise<T>((...settle) => ([resolve, reject] = settle));
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** @throws ERR_LINK_LISTEN, ERR_LINK_TIMEOUT when no peer has connected, or the signal's reason */
export async function listenOn(place: Place, options: OpenOptions): Promise<Channel> {
  try {
    if (place.kind === 'unix-listen' && options.force === true && (await isAbandoned(place.path))) {
      fs.rmSync(place.path, { force: true });
    }
    return await new Listener(place, options).open();
  } catch (thrown) {
    if (thrown instanceof RamferryError) throw thrown;
    const taken = systemCode(thrown) === 'EADDRINUSE';
    throw new RamferryError(
      'ERR_LINK_LISTEN',
      `cannot listen on ${formatAddress(place)}: ${systemText(thrown)}`,
      {
        hint: taken
          ? 'another process listens there; a socket that a killed process left behind is replaced with --force'
          : 'check the address and the permissions',
        cause: thrown,
      },
    );
  }
}
