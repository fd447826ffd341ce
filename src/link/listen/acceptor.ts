// Accepts connections over tcp or a unix socket until it is closed: for a process that serves many peers. Knows no protocol: the
// caller gets each connection before a byte of it was read, and decides what it is. A connection that cannot be accepted ends nothing.

import net from 'node:net';

import type { SocketAccess } from '../../io/private-socket.js';
import { systemText } from '../../io/system-error.js';
import { formatAddress } from '../address.js';
import {
  bind,
  exposedHost,
  exposureWarning,
  listenError,
  peerAddress,
  type Place,
  removeAbandoned,
} from './binding.js';

export interface AcceptorOptions {
  /** A listening descriptor that the process has inherited (systemd socket activation); it replaces the address's own. */
  readonly fd?: number | undefined;
  /** Unix sockets: who may connect. Default: the process's user. */
  readonly access?: SocketAccess | undefined;
  /** Called for each connection. Its reading has not begun. */
  readonly onSocket: (socket: net.Socket) => void;
  readonly onWarning: (text: string) => void;
}

export class Acceptor {
  readonly #place: Place;
  readonly #options: AcceptorOptions;
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  #removeName: (() => void) | undefined;

  private constructor(place: Place, options: AcceptorOptions) {
    this.#place = place;
    this.#options = options;
    this.#server.on('connection', options.onSocket);
  }

  /**
   * Listens. A unix socket that a killed process has left behind is replaced.
   * @throws ERR_LINK_LISTEN
   */
  static async open(place: Place, options: AcceptorOptions): Promise<Acceptor> {
    const acceptor = new Acceptor(place, options);
    try {
      await acceptor.#listen();
    } catch (thrown) {
      throw listenError(place, thrown);
    }
    return acceptor;
  }

  /** The address that peers must connect to, with the port that the system chose. */
  get address(): string {
    return peerAddress(this.#server, this.#place);
  }

  /** Whether other hosts reach this address. */
  get isBeyondLoopback(): boolean {
    return exposedHost(this.#server) !== undefined;
  }

  /** What the user must know of a listener without TLS; undefined where nothing is to be said. */
  get exposure(): string | undefined {
    return exposureWarning(this.#server, this.#place);
  }

  /** Accepts no more connections. Those that were accepted go on. */
  close(): void {
    this.#server.close();
    this.#removeName?.();
  }

  async #listen(): Promise<void> {
    const { fd } = this.#options;
    if (fd === undefined) await removeAbandoned(this.#place);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.once('listening', () => {
        this.#server.off('error', reject);
        resolve();
      });
      if (fd === undefined) this.#removeName = bind(this.#server, this.#place, this.#options.access);
      else this.#server.listen({ fd });
    });
    this.#server.on('error', (thrown) => this.#onError(thrown));
  }

  #onError(thrown: unknown): void {
    this.#options.onWarning(
      `${formatAddress(this.#place)} cannot accept a connection: ${systemText(thrown)}`,
    );
  }
}
