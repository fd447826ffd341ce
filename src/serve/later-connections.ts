// The later connections of a server's transfers: those that join a transfer whose link has broken, and those that ask how one ended. All come
// to the server's address, and their first bytes name the transfer. A connection that names none is closed, and gets no outcome.

import type net from 'node:net';

import type { Door, Judge } from '../link/options.js';
import type { PeerLink } from '../link/peer-link.js';
import { isAccepted } from '../link/resume/shared-door.js';
import type { LaterTransfers } from './introductions.js';

/** A transfer that waits for its peer's next connection. */
interface Waiting {
  readonly judge: () => Judge;
  readonly onLink: (link: PeerLink) => void;
}

/** The other processes of a server of several. */
export interface OtherProcesses {
  /**
   * @param first what was read of a later connection
   * @param provenName what its other side has proved
   * @returns a local connection to the process that carries its transfer; undefined where none does. Never rejects
   */
  find(first: Uint8Array, provenName: string | undefined): Promise<net.Socket | undefined>;
}

export class LaterConnections implements LaterTransfers {
  readonly #waiting = new Set<Waiting>();

  /** The door of one transfer. It closes nothing but itself: the server goes on listening. */
  door(): Door {
    let waiting: Waiting | undefined;
    return {
      open: (judge, onLink) => {
        waiting = { judge, onLink };
        this.#waiting.add(waiting);
      },
      close: () => {
        if (waiting !== undefined) this.#waiting.delete(waiting);
      },
    };
  }

  /** Whether a transfer waits for a connection that begins so. */
  has(first: Uint8Array): boolean {
    return this.#find(first) !== undefined;
  }

  take(first: Uint8Array, link: PeerLink): boolean {
    const taken = this.#find(first);
    if (taken === undefined) return false;
    link.unread(first);
    taken.onLink(link);
    return true;
  }

  /** Each waiting transfer compares its id, in constant time: they are few. */
  #find(first: Uint8Array): Waiting | undefined {
    return [...this.#waiting].find(({ judge }) => isAccepted(judge(), first));
  }
}
