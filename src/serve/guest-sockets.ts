// The sockets of outgoing guests, one for each, to which their hypervisors connect.

import type net from 'node:net';

import { RamferryError } from '../errors.js';
import { Acceptor } from '../link/listen/acceptor.js';
import type { OutgoingSettings, ServeSettings } from './options.js';
import type { ServerHooks } from './parts.js';

export class GuestSockets {
  readonly #settings: Pick<ServeSettings, 'listening'>;
  readonly #pattern: OutgoingSettings['pattern'];
  readonly #hooks: ServerHooks;
  readonly #onSocket: (name: string, socket: net.Socket) => void;
  readonly #acceptors = new Map<string, Acceptor>();

  /** @param onSocket called for each connection; its reading has not begun */
  constructor(
    settings: Pick<ServeSettings, 'listening'>,
    { pattern }: OutgoingSettings,
    hooks: ServerHooks,
    onSocket: (name: string, socket: net.Socket) => void,
  ) {
    this.#settings = settings;
    this.#pattern = pattern;
    this.#hooks = hooks;
    this.#onSocket = onSocket;
  }

  /** Guests that have a socket. */
  get names(): string[] {
    return [...this.#acceptors.keys()];
  }

  /** Makes a guest's socket. Does nothing where it exists. @throws ERR_LINK_LISTEN */
  async open(name: string): Promise<void> {
    if (this.#acceptors.has(name)) return;
    const { onWarning, onListening } = this.#hooks;
    const acceptor = await Acceptor.open(this.#pattern.address(name), {
      ...{ onWarning, access: this.#settings.listening.socketAccess },
      onSocket: (socket) => this.#onSocket(name, socket),
    });
    this.#acceptors.set(name, acceptor);
    onListening(acceptor.address);
  }

  /** Removes a guest's socket. Its transfer goes on. @throws ERR_OPTION_INVALID where there is none */
  close(name: string): void {
    const acceptor = this.#acceptors.get(name);
    if (acceptor === undefined) {
      throw new RamferryError('ERR_OPTION_INVALID', `close: the guest ${name} has no socket`, {
        hint: `sockets: ${this.names.join(', ') || 'none'}`,
      });
    }
    acceptor.close();
    this.#acceptors.delete(name);
  }

  /** Removes all. */
  closeAll(): void {
    for (const name of this.names) this.close(name);
  }
}

/** The sockets of a server. @throws ERR_OPTION_INVALID where it carries no outgoing guests; ERR_TERMINATED where it is ending */
export function socketsOf(sockets: GuestSockets | undefined, isDraining: boolean): GuestSockets {
  if (isDraining) throw new RamferryError('ERR_TERMINATED', 'the server is ending and takes no more guests');
  if (sockets !== undefined) return sockets;
  throw new RamferryError('ERR_OPTION_INVALID', 'open: this server carries no outgoing guests', {
    hint: 'start it with --outgoing and --connect',
  });
}
