// Waits for the peer's connection over tcp or a unix socket. The listening socket stays open until newcomers.ts has identified the peer.

import net from 'node:net';
import { RamferryError } from '../../errors.js';
import { onAbort } from '../../io/abort-signal.js';
import { AwakeTimer } from '../../os/time/awake-timer.js';
import type { Channel } from '../../io/bytes.js';
import { abortError, asError, systemText } from '../../io/system-error.js';
import { formatAddress } from '../address.js';
import {
  accept,
  type Accepted,
  bind,
  exposureWarning,
  listenError,
  peerAddress,
  type Place,
  removeAbandoned,
} from './binding.js';
import { ListenerDoor } from './door.js';
import { Newcomers } from './newcomers.js';
import { ioTimeoutOf, type OpenOptions, type PeerRules } from '../options.js';
import type { PeerLink } from '../peer-link.js';
import type { TlsGate } from '../tls/gate.js';
import { UndecidedChannel } from './undecided.js';
import { deferred } from '../../os/deferred.js';

function onListening(server: net.Server, place: Place, options: OpenOptions): void {
  const warning = options.tls === undefined ? exposureWarning(server, place) : undefined;
  if (warning !== undefined) options.onWarning?.(warning);
  options.onListening?.(peerAddress(server, place));
}

/** Silence after which connections count as waiting for bytes from this side. */
const SILENT_MS = 500;

/** The rules where the caller gives none: the first connection is the peer. */
const FIRST_COMER: PeerRules = { judge: () => ({ wanted: 0, feed: () => undefined }), silence: 0 };

/** One listening socket, from bind() until the peer is identified. */
class Listener {
  readonly #place: Place;
  readonly #options: OpenOptions;
  readonly #label: string;
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  readonly #newcomers: Newcomers;
  /** Where connections make their TLS handshake; undefined = in the clear. */
  readonly #gate: TlsGate | undefined;
  readonly #rules: PeerRules;
  readonly #peer = deferred<Channel>();
  /** The peer's channel, or an undecided channel while the peer is unknown. */
  readonly #opened = deferred<Channel>();
  #undecided: UndecidedChannel | undefined;
  /** Set when the peer is known and may connect again. */
  #door: ListenerDoor | undefined;
  #timer: AwakeTimer | undefined;
  #silenceTimer: NodeJS.Timeout | undefined;
  #late = false;
  #isGreeted = false;
  #forget = (): void => undefined;
  #removeName: (() => void) | undefined;

  constructor(place: Place, options: OpenOptions, gate: TlsGate | undefined) {
    this.#place = place;
    this.#gate = gate;
    this.#options = options;
    this.#label = formatAddress(place);
    this.#rules = options.peer ?? FIRST_COMER;
    const { onWarning } = options;
    this.#newcomers = new Newcomers({
      rules: this.#rules,
      onWarning,
      onPeer: (link) => this.#settle(link),
      onNone: () => this.#onNone(),
    });
    gate?.onTurnedAway((origin, why) => (this.#door ?? this.#newcomers).turnedAway(origin, why));
    this.#server.on('error', (thrown) => this.#onError(thrown));
    this.#server.once('listening', () => {
      onListening(this.#server, place, options);
      // Making the greeting may take long: a peer that waits for the address comes meanwhile.
      setImmediate(() => this.#greet());
    });
    this.#server.on('connection', (socket) => this.#accept(socket));
  }

  open(): Promise<Channel> {
    const { signal, connectTimeout = 0 } = this.#options;
    this.#forget = onAbort(signal, () => this.#fail(abortError(signal!)));
    if (signal?.aborted === true) return this.#opened.promise;
    if (connectTimeout > 0) this.#timer = AwakeTimer.start(connectTimeout, () => this.#onLate());
    try {
      this.#removeName = bind(this.#server, this.#place, this.#options.socketAccess);
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
    const { signal } = this.#options;
    const ioTimeout = ioTimeoutOf(this.#options);
    accept(socket, this.#place.kind, {
      label: this.#label,
      ioTimeout,
      signal,
      gate: this.#gate,
      allow: this.#options.allow,
      onTurnedAway: (origin, why) => (this.#door ?? this.#newcomers).turnedAway(origin, why),
      onAccepted: (accepted) => this.#add(accepted),
    });
  }

  /** The greeting reaches every connection first. Only the first call counts. */
  #greet(): void {
    if (this.#isGreeted || !this.#server.listening) return;
    this.#isGreeted = true;
    const { greeting } = this.#options;
    if (greeting !== undefined) this.#newcomers.broadcast(greeting());
  }

  #add(accepted: Accepted): void {
    this.#greet();
    if (this.#door !== undefined) {
      this.#door.add(accepted);
      return;
    }
    if (this.#rules.mayListenFirst === true && this.#undecided === undefined) {
      this.#silenceTimer ??= setTimeout(() => this.#openUndecided(), SILENT_MS);
    }
    this.#newcomers.add(accepted);
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

  #settle(link: PeerLink): void {
    const { onDoor, onWarning } = this.#options;
    if (onDoor === undefined) this.#stop();
    else {
      this.#endWaiting();
      this.#door = new ListenerDoor(() => this.#stopListening(), onWarning);
      onDoor(this.#door, link.provenName);
    }
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
    this.#endWaiting();
    this.#stopListening();
  }

  #endWaiting(): void {
    this.#timer?.cancel();
    clearTimeout(this.#silenceTimer);
    this.#forget();
  }

  #stopListening(): void {
    this.#gate?.close();
    this.#server.close();
    this.#removeName?.();
  }
}

async function gateFor(place: Place, options: OpenOptions): Promise<TlsGate | undefined> {
  const { tls: settings, onWarning, signal } = options;
  if (settings === undefined) return undefined;
  const { openGate } = await import('../tls/gate.js');
  const ioTimeout = ioTimeoutOf(options);
  return openGate({ label: formatAddress(place), settings, ioTimeout, signal }, onWarning);
}

/** @throws ERR_TLS_CREDENTIALS, ERR_LINK_LISTEN, ERR_LINK_TIMEOUT when no peer has connected, or the signal's reason */
export async function listenOn(place: Place, options: OpenOptions): Promise<Channel> {
  try {
    if (options.force === true) await removeAbandoned(place);
    return await new Listener(place, options, await gateFor(place, options)).open();
  } catch (thrown) {
    throw listenError(place, thrown);
  }
}
