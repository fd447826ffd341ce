// The door of a listener whose peer is known: while a transfer runs it stays open for the peer's next connection. Every other connection is
// closed and reported, like those that came before the peer.

import type { Door, Judge } from '../options.js';
import type { PeerLink } from '../peer-link.js';
import type { Accepted } from './binding.js';
import { Newcomers } from './newcomers.js';
import { closedBecause, type Origin } from './strangers.js';

/** How long a connection may be silent: the peer says at once which transfer it means. */
const SILENCE_MS = 5_000;

export class ListenerDoor implements Door {
  readonly #onWarning: ((text: string) => void) | undefined;
  readonly #onClose: () => void;
  #newcomers: Newcomers | undefined;

  /** @param onClose called once, when no more connections are wanted */
  constructor(onClose: () => void, onWarning: ((text: string) => void) | undefined) {
    this.#onClose = onClose;
    this.#onWarning = onWarning;
  }

  open(judge: () => Judge, onLink: (link: PeerLink) => void): void {
    this.#newcomers = new Newcomers({
      rules: { judge, silence: SILENCE_MS },
      onWarning: this.#onWarning,
      isForSeveral: true,
      onPeer: onLink,
      onNone: () => undefined,
    });
  }

  /** Takes a connection that the listener has accepted. */
  add(accepted: Accepted): void {
    if (this.#newcomers === undefined) accepted.link.fail(closedBecause('another connection is the peer'));
    else this.#newcomers.add(accepted);
  }

  /** Reports a connection that was closed before it came here. */
  turnedAway(origin: Origin, why: string): void {
    this.#newcomers?.turnedAway(origin, why);
  }

  /** Accepts no more connections, and closes those that wait. */
  close(): void {
    this.#newcomers?.close();
    this.#newcomers = undefined;
    this.#onClose();
  }
}
