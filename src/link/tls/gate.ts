// The gate of a listener under TLS: accepted connections make their handshake here, side by side and bounded in number and time.
// Only those that both sides accept go on. Every other connection is closed and reported with its address and the reason.

import type net from 'node:net';

import { toRamferryError } from '../../errors.js';
import { closedBecause, Crowd, type Origin } from '../listen/strangers.js';
import { type HandshakeOptions, secureServer } from './handshake.js';
import { RenewedCredentials } from './renewed-credentials.js';
import type { TlsLink } from './tls-link.js';

/** Reads the server's credentials and makes the gate. @throws ERR_TLS_CREDENTIALS */
export function openGate(
  options: Omit<HandshakeOptions, 'credentials'>,
  onWarning?: (text: string) => void,
): TlsGate {
  return new TlsGate(options, new RenewedCredentials(options.settings, 'server', onWarning));
}

/** A connection in its handshake. */
interface Shaking extends Origin {
  readonly abort: AbortController;
}

export class TlsGate {
  readonly #options: Omit<HandshakeOptions, 'credentials'>;
  readonly #credentials: RenewedCredentials;
  readonly #shaking = new Crowd<Shaking>();
  #closed = false;
  #report: (origin: Origin, why: string) => void = () => undefined;

  constructor(options: Omit<HandshakeOptions, 'credentials'>, credentials: RenewedCredentials) {
    this.#options = options;
    this.#credentials = credentials;
  }

  /** Sets who hears of connections that are closed. */
  onTurnedAway(report: (origin: Origin, why: string) => void): void {
    this.#report = report;
  }

  /** Begins the handshake of an accepted connection. @param onLink called when both sides accept each other */
  admit(socket: net.Socket, origin: Origin, onLink: (link: TlsLink) => void): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const shaking = { ...origin, abort: new AbortController() };
    const displaced = this.#shaking.add(shaking);
    displaced?.abort.abort(closedBecause('too many connections are in their TLS handshake'));
    void this.#handshake(socket, shaking, onLink);
  }

  /** Ends the handshakes that are under way. */
  close(): void {
    this.#closed = true;
    for (const { abort } of this.#shaking) abort.abort(closedBecause('nothing is waited for any more'));
  }

  async #handshake(socket: net.Socket, shaking: Shaking, onLink: (link: TlsLink) => void): Promise<void> {
    const { from, abort } = shaking;
    try {
      const credentials = this.#credentials.current();
      const link = await secureServer(socket, {
        ...this.#options,
        ...{ credentials, peer: from, whileShaking: abort.signal },
      });
      if (abort.signal.aborted) void link.sink.abort();
      else onLink(link);
    } catch (thrown) {
      if (!this.#closed) this.#report(shaking, toRamferryError(thrown, 'ERR_LINK_TLS').message);
    } finally {
      this.#shaking.delete(shaking);
    }
  }
}
