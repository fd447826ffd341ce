// A client of QEMU's monitor protocol over a unix or tcp socket: greeting, capabilities, commands with time limits, events.
// A command resolves with QEMU's answer or rejects with a named error, and is sent once. Independent of migration.

import net from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { RamferryError, toRamferryError } from '../../../errors.js';
import { AwakeDeadline, AwakeTimer } from '../../../os/time/awake-timer.js';
import { withDeadline } from '../../../os/time/deadline.js';
import { Signal } from '../../../os/signal.js';
import { systemCode, systemText } from '../../../io/system-error.js';
import { handleOf } from '../../../link/handle.js';
import { qmpCommand, type QmpMessage, readQmpMessage } from './messages.js';

/** Where a monitor listens: the path of a unix socket, or a tcp address. */
export type MonitorAddress = string | { readonly host: string; readonly port: number };

export interface QmpEvent {
  readonly name: string;
  readonly data: unknown;
}

export interface QmpOptions {
  /** Time limit of the greeting and of each command, in milliseconds. */
  readonly timeout: number;
  readonly onEvent?: (event: QmpEvent) => void;
  /** Milliseconds for which a refused or busy socket is tried again. Default 0: one attempt. */
  readonly patience?: number;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: RamferryError) => void;
  readonly timer: AwakeTimer;
  readonly command: string;
}

const RETRY_MS = 50;

export class QmpClient {
  readonly #socket: net.Socket;
  readonly #options: QmpOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #failure: RamferryError | undefined;
  readonly #greeted = new Signal();
  #reportClosed: (error: RamferryError) => void = () => undefined;
  /** Resolves with the reason when the connection ends for any cause. Never rejects. */
  readonly closed: Promise<RamferryError>;

  private constructor(socket: net.Socket, options: QmpOptions) {
    this.#socket = socket;
    this.#options = options;
    this.closed = new Promise((resolve) => (this.#reportClosed = resolve));
    // A killed QEMU resets the connection. The readline interface reports that as an error of its own; `close` reports it, too.
    createInterface({ input: socket })
      .on('line', (line) => this.#onLine(line))
      .on('error', () => undefined);
    socket.on('error', () => undefined);
    socket.on('close', () =>
      this.#fail(
        new RamferryError('ERR_QMP_CLOSED', 'QEMU closed its monitor', {
          hint: "QEMU has ended, or another client took the monitor: see QEMU's log",
        }),
      ),
    );
  }

  /** Connects and negotiates. @throws ERR_QMP_CONNECT, ERR_QMP_TIMEOUT, ERR_QMP_PROTOCOL, ERR_QMP_CLOSED */
  static async connect(path: MonitorAddress, options: QmpOptions): Promise<QmpClient> {
    const deadline = new AwakeDeadline(options.patience ?? 0);
    for (;;) {
      try {
        return await QmpClient.#connectOnce(path, options);
      } catch (thrown) {
        const error = toRamferryError(thrown);
        const gone = systemCode(error.cause) === 'ENOENT' || systemCode(error.cause) === 'ECONNREFUSED';
        if (gone || deadline.left <= 0) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  static async #connectOnce(path: MonitorAddress, options: QmpOptions): Promise<QmpClient> {
    const socket = await openSocket(path, options.timeout);
    const client = new QmpClient(socket, options);
    try {
      await client.#greeting();
      await client.execute('qmp_capabilities');
      return client;
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  }

  /** Why further commands are refused; undefined while the connection works. */
  get failure(): RamferryError | undefined {
    return this.#failure;
  }

  /**
   * @returns QEMU's answer; the caller checks its shape
   * @throws ERR_QMP_COMMAND with QEMU's text; after ERR_QMP_TIMEOUT and ERR_QMP_CLOSED it is unknown whether QEMU executed it
   */
  execute(command: string, args?: object, timeout = this.#options.timeout): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const id = this.#nextId++;
      const timer = AwakeTimer.start(timeout, () => {
        this.#fail(timeoutError(`QEMU has not answered ${command}`, timeout));
      });
      this.#waiting.set(id, { resolve, reject, timer, command });
      this.#socket.write(qmpCommand(command, args, id));
    });
  }

  /** The descriptor of the connection; undefined once it is closed. */
  get fd(): number | undefined {
    return handleOf(this.#socket)?.fd;
  }

  close(): void {
    this.#fail(new RamferryError('ERR_QMP_CLOSED', 'the monitor was closed'));
  }

  async #greeting(): Promise<void> {
    const { timeout } = this.#options;
    const closed = this.closed.then((error) => {
      throw error;
    });
    await withDeadline(Promise.race([this.#greeted.wait(), closed]), timeout, () => {
      this.#fail(
        new RamferryError('ERR_QMP_TIMEOUT', `the monitor sends no greeting for ${timeout / 1000} s`, {
          hint: 'QEMU serves one client per socket: is another one connected?',
        }),
      );
      return closed;
    });
  }

  #onLine(line: string): void {
    if (this.#failure !== undefined || line.trim() === '') return;
    let message: QmpMessage;
    try {
      message = readQmpMessage(line);
    } catch (thrown) {
      this.#fail(toRamferryError(thrown));
      return;
    }
    if (message.kind === 'greeting') {
      this.#greeted.notify();
    } else if (message.kind === 'event') {
      this.#options.onEvent?.({ name: message.name, data: message.data });
    } else {
      this.#answer(message);
    }
  }

  #answer(message: Extract<QmpMessage, { kind: 'result' | 'error' }>): void {
    const waiting = this.#waiting.get(message.id ?? 0);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id!);
    waiting.timer.cancel();
    if (message.kind === 'result') waiting.resolve(message.value);
    else waiting.reject(new RamferryError('ERR_QMP_COMMAND', `${waiting.command}: ${message.text}`));
  }

  /** Closes a failed monitor for good: a late answer could be taken for that of another command. */
  #fail(error: RamferryError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel();
      reject(error);
    }
    this.#waiting.clear();
    this.#reportClosed(error);
  }
}

function timeoutError(what: string, timeout: number): RamferryError {
  return new RamferryError('ERR_QMP_TIMEOUT', `${what} for ${timeout / 1000} s`, {
    hint: 'QEMU may be waiting for a disk, or may be stopped; --io-timeout allows it more time',
  });
}

/** The address as users write it. */
export function monitorText(at: MonitorAddress): string {
  return typeof at === 'string' ? `unix:${at}` : `tcp:${at.host}:${at.port}`;
}

function openSocket(at: MonitorAddress, timeout: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(typeof at === 'string' ? { path: at } : at);
    const refuse = (why: string, cause?: unknown): void => {
      timer.cancel();
      socket.destroy();
      reject(
        new RamferryError('ERR_QMP_CONNECT', `cannot reach QEMU's monitor at ${monitorText(at)}: ${why}`, {
          cause,
          hint: 'QEMU must run, with -qmp unix:PATH,server=on,wait=off, and no other client may use that socket',
        }),
      );
    };
    const timer = AwakeTimer.start(timeout, () => refuse('no answer'));
    socket.once('error', (thrown) => refuse(systemText(thrown), thrown));
    socket.once('connect', () => {
      timer.cancel();
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}
