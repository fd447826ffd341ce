// A client of the QEMU Machine Protocol: commands, their results, and events. Each event has its time of arrival on this
// process's clock, so that events of two QEMUs can be compared. Knows nothing of migration.

import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface QmpEvent {
  readonly name: string;
  /** performance.now() when the event arrived. */
  readonly at: number;
  /** QEMU's own time stamp of the event: milliseconds on the host's clock. */
  readonly happened: number;
}

interface Message {
  readonly QMP?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly timestamp?: { readonly seconds: number; readonly microseconds: number };
}

interface Waiting {
  readonly command: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #ready: Promise<void>;
  #closed = false;
  /** All events so far, oldest first. */
  readonly events: QmpEvent[] = [];

  /** @param socket connected socket of a monitor, before the greeting */
  constructor(socket: Socket) {
    this.#socket = socket;
    let greeted: () => void;
    const greeting = new Promise<void>((resolve) => (greeted = resolve));
    const lines = createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if (message.QMP !== undefined) greeted();
      else this.#take(message);
    });
    lines.on('error', () => undefined);
    // A killed QEMU resets the connection. `close` reports the same.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#close());
    this.#ready = greeting.then(() => this.#send('qmp_capabilities')).then(() => undefined);
    this.#ready.catch(() => undefined);
  }

  /** Rejects with QEMU's error text, or when QEMU ends before it has answered. */
  async execute<Result = unknown>(
    command: string,
    args?: Readonly<Record<string, unknown>>,
  ): Promise<Result> {
    await this.#ready;
    return (await this.#send(command, args)) as Result;
  }

  /** Resolves with the first event of this name from index `from` of `events`, past events included. */
  async event(name: string, from = 0): Promise<QmpEvent> {
    for (;;) {
      const found = this.events.slice(from).find((event) => event.name === name);
      if (found !== undefined) return found;
      if (this.#closed) throw new Error(`QEMU went away before ${name}`);
      await new Promise<void>((resolve) => this.#listeners.add(resolve));
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error(`${command}: QEMU is gone`));
        return;
      }
      // QMP answers in the order of the commands.
      this.#waiting.push({ command, resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    });
  }

  #take(message: Message): void {
    if (message.event !== undefined) {
      const { seconds = 0, microseconds = 0 } = message.timestamp ?? {};
      const happened = seconds * 1000 + microseconds / 1000;
      this.events.push({ name: message.event, at: performance.now(), happened });
      this.#wake();
      return;
    }
    const { command, resolve, reject } = this.#waiting.shift()!;
    if (message.error === undefined) resolve(message.return);
    else reject(new Error(`${command}: ${message.error.class}: ${message.error.desc}`));
  }

  #close(): void {
    this.#closed = true;
    for (const { command, reject } of this.#waiting.splice(0)) {
      reject(new Error(`${command}: QEMU went away`));
    }
    this.#wake();
  }

  #wake(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
