// What a service says to systemd, and what it inherits from it: readiness, the watchdog, sockets that systemd has opened (sd_notify(3),
// sd_listen_fds(3)). All of it is optional: without systemd, or without its variables, nothing happens.

import { Buffer } from 'node:buffer';

import { libc } from '../libc.js';

/** The first descriptor that systemd passes. */
const FIRST_FD = 3;

type Environment = Readonly<Record<string, string | undefined>>;

/** A socket that the process has inherited, and its name in the unit (FileDescriptorName=). */
export interface InheritedSocket {
  readonly fd: number;
  readonly name: string;
}

/** The sockets that systemd has passed to this very process. */
export function inheritedSockets(env: Environment, pid: number): InheritedSocket[] {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  if (env['LISTEN_PID'] !== String(pid) || !Number.isInteger(count) || count <= 0) return [];
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
  return Array.from({ length: count }, (_, index) => ({ fd: FIRST_FD + index, name: names[index] ?? '' }));
}

export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #watchdogMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(env: Environment, pid: number) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: micros, WATCHDOG_PID: watched } = env;
    this.#socket = socket === '' ? undefined : socket;
    const mine = watched === undefined || watched === String(pid);
    this.#watchdogMs = mine && /^\d+$/.test(micros ?? '') ? Number(micros) / 1000 : 0;
  }

  /** Whether systemd listens to this process. */
  get isListening(): boolean {
    return this.#socket !== undefined;
  }

  /** The service takes requests. From here on it shows the watchdog that its event loop turns. */
  ready(): void {
    this.#say('READY=1');
    if (this.#watchdogMs <= 0 || this.#socket === undefined) return;
    this.#timer = setInterval(() => this.#say('WATCHDOG=1'), this.#watchdogMs / 2);
    this.#timer.unref();
  }

  /** One line for `systemctl status`. */
  status(text: string): void {
    this.#say(`STATUS=${text.replaceAll('\n', ' ')}`);
  }

  /** The service is ending; the watchdog goes on. */
  stopping(): void {
    this.#say('STOPPING=1');
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** A message that systemd does not take changes nothing. */
  #say(text: string): void {
    if (this.#socket !== undefined) libc()?.sendDatagram(this.#socket, Buffer.from(text));
  }
}
