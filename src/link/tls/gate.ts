// The gate of a listener under TLS: accepted connections make their handshake here, side by side and bounded in number and time.
// Only those that both sides accept go on. Every other connection is closed and reported with its address and the reason.

import type net from 'node:net';

import { toRamferryError } from '../../errors.js';
import { loadCredentials } from './credentials.js';
import { type HandshakeOptions, secureServer } from './handshake.js';
import type { TlsLink } from './tls-link.js';

/** Most handshakes at the same time. A handshake costs a signature; a host that opens more is turned away. */
const MOST_HANDSHAKES = 16;

/** Reads the server's credentials and makes the gate. @throws ERR_TLS_CREDENTIALS */
export function openGate(
  options: Omit<HandshakeOptions, 'credentials'>,
  onWarning?: (text: string) => void,
): TlsGate {
  return new TlsGate({ ...options, credentials: loadCredentials(options.settings, 'server', onWarning) });
}

export class TlsGate {
  readonly #options: HandshakeOptions;
  readonly #abort = new AbortController();
  #pending = 0;
  #report: (from: string, why: string) => void = () => undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Sets who hears of connections that are closed. */
  onTurnedAway(report: (from: string, why: string) => void): void {
    this.#report = report;
  }

  /** Begins the handshake of an accepted connection. @param onLink called when both sides accept each other */
  admit(socket: net.Socket, from: string, onLink: (link: TlsLink) => void): void {
    if (this.#pending >= MOST_HANDSHAKES) {
      socket.destroy();
      this.#report(from, `${MOST_HANDSHAKES} connections are in their TLS handshake`);
      return;
    }
    this.#pending += 1;
    void this.#handshake(socket, from, onLink);
  }

  /** Ends the handshakes that are under way. */
  close(): void {
    this.#abort.abort();
  }

  async #handshake(socket: net.Socket, from: string, onLink: (link: TlsLink) => void): Promise<void> {
    const { signal } = this.#abort;
    try {
      const link = await secureServer(socket, { ...this.#options, peer: from, whileShaking: signal });
      if (signal.aborted) void link.sink.abort();
      else onLink(link);
    } catch (thrown) {
      if (!signal.aborted) this.#report(from, toRamferryError(thrown, 'ERR_LINK_TLS').message);
    } finally {
      this.#pending -= 1;
    }
  }
}
