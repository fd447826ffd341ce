// The unix socket over which QEMU writes, or reads, its device state. It lies beside the monitor's socket, in a directory that
// QEMU and ramferry both reach. The name is removed afterwards.

import fs from 'node:fs';
import net from 'node:net';
import { once } from 'node:events';

import { RamferryError } from '../../errors.js';
import { AwakeTimer } from '../../os/time/awake-timer.js';
import { withDeadline } from '../../os/time/deadline.js';
import { listenPrivately, UNIX_PATH_LIMIT } from '../../io/private-socket.js';
import { systemText } from '../../io/system-error.js';

/** A name beside the monitor's. @throws ERR_OPTION_INVALID */
export function statePath(qmp: string): string {
  const path = `${qmp}.state-${process.pid}`;
  if (Buffer.byteLength(path) > UNIX_PATH_LIMIT) {
    throw new RamferryError('ERR_OPTION_INVALID', `qmp: ${qmp} is too long for a second socket beside it`, {
      hint: `use a shorter path: ${path} must have at most ${UNIX_PATH_LIMIT} bytes`,
    });
  }
  return path;
}

/** The same socket as QEMU sees it. @throws ERR_OPTION_INVALID */
export function stateUri(inQemu: string): string {
  return `unix:${statePath(inQemu)}`;
}

function failed(path: string, thrown: unknown): RamferryError {
  return new RamferryError(
    'ERR_QMP_CONNECT',
    `no socket for the device state at ${path}: ${systemText(thrown)}`,
    {
      cause: thrown,
      hint: 'ramferry makes it beside the monitor: QEMU and ramferry both need access to that directory',
    },
  );
}

/** Listens for QEMU's outgoing migration. */
export class StateInlet {
  readonly path: string;
  /** For QEMU. */
  readonly uri: string;
  readonly #server: net.Server;
  readonly #connected: Promise<net.Socket>;
  #socket: net.Socket | undefined;

  private constructor(path: string, uri: string, server: net.Server) {
    this.path = path;
    this.uri = uri;
    this.#server = server;
    this.#connected = new Promise((resolve) => server.once('connection', resolve));
  }

  /** @param inQemu the monitor's path as QEMU sees it */
  static async listen(qmp: string, inQemu: string): Promise<StateInlet> {
    const path = statePath(qmp);
    const server = net.createServer();
    try {
      fs.rmSync(path, { force: true });
      listenPrivately(server, path);
      await once(server, 'listening');
      // QEMU may run as another user, who made the monitor.
      const { uid, gid } = fs.statSync(qmp);
      if (uid !== process.getuid?.()) fs.chownSync(path, uid, gid);
    } catch (thrown) {
      server.close();
      throw failed(path, thrown);
    }
    return new StateInlet(path, stateUri(inQemu), server);
  }

  /** QEMU's bytes until it closes. @param limit milliseconds without a byte */
  async *read(limit: number): AsyncGenerator<Buffer, void> {
    const socket = await this.#accept(limit);
    const timer = AwakeTimer.start(limit, () => socket.destroy(failed(this.path, new Error('no byte came'))));
    try {
      for await (const piece of socket) {
        timer.cancel();
        yield piece as Buffer;
        timer.restart();
      }
    } finally {
      timer.cancel();
    }
  }

  async #accept(limit: number): Promise<net.Socket> {
    this.#socket = await withDeadline(this.#connected, limit, () => {
      throw failed(this.path, new Error('QEMU does not connect'));
    });
    return this.#socket;
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
    fs.rmSync(this.path, { force: true });
  }
}

/** Connects to QEMU, which waits for an incoming migration, and removes the name, so that no other client can connect. */
export class StateOutlet {
  readonly #socket: net.Socket;
  #failure: RamferryError | undefined;

  private constructor(socket: net.Socket, path: string) {
    this.#socket = socket;
    socket.on('error', (thrown) => (this.#failure ??= failed(path, thrown)));
  }

  static async connect(path: string): Promise<StateOutlet> {
    const socket = net.connect({ path });
    await once(socket, 'connect').catch((thrown: unknown) => {
      throw failed(path, thrown);
    });
    fs.rmSync(path, { force: true });
    return new StateOutlet(socket, path);
  }

  /** Resolves when the socket has taken the bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (thrown) => {
        if (thrown) reject(this.#failure ?? thrown);
        else resolve();
      });
    });
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
