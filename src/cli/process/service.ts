// What a command says to systemd while it runs as a service: ready once, and a line of status at most once a second. Without systemd
// nothing loads and nothing happens.

import { ServiceManager } from '../../os/process/service-manager.js';

/** Milliseconds between two lines of status. */
const STATUS_MS = 1000;

export class Service {
  readonly #manager = new ServiceManager(process.env, process.pid);
  #isReady = false;
  #lastStatus = -Infinity;

  /** Only the first call counts. */
  ready(): void {
    if (!this.#isReady) this.#manager.ready();
    this.#isReady = true;
  }

  /** @param text called where the line is due */
  status(text: () => string): void {
    const now = performance.now();
    if (!this.#manager.isListening || now - this.#lastStatus < STATUS_MS) return;
    this.#lastStatus = now;
    this.#manager.status(text());
  }

  /** A transfer that moves bytes is ready, whether or not it has listened. */
  progress(text: () => string): void {
    this.ready();
    this.status(text);
  }

  stopping(): void {
    this.#manager.stopping();
  }

  close(): void {
    this.#manager.close();
  }
}
